"""What Dagster costs: model-days by the bare loop, and by a Dagster run with either event log.

    python benchmarks/model_days.py [--models 5] [--sessions 100]

Every variant runs the same model-days of instant traders on the committed sample, in a process and a folder of its
own; the table gives seconds, milliseconds per model-day and the ratio to the bare loop.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VARIANTS = ("bare loop", "Dagster, its own event log", "Dagster, batching event log")


def main() -> None:
    """Run every variant in a process of its own and print the comparison."""
    arguments = _arguments()
    if arguments.variant:
        print(json.dumps(_measure(arguments.variant, arguments.models, arguments.sessions)))
        return
    results = {variant: _in_own_process(variant, arguments.models, arguments.sessions) for variant in VARIANTS}
    cells = arguments.models * arguments.sessions
    base = results[VARIANTS[0]]["seconds"]
    print(
        f"{cells} model-days ({arguments.models} models x {arguments.sessions} sessions), {os.cpu_count()} cores\n"
    )
    print("| variant | seconds | ms per model-day | ratio | peak MiB |\n|-|-:|-:|-:|-:|")
    for variant, result in results.items():
        seconds, memory = result["seconds"], result["peak_mib"]
        print(
            f"| {variant} | {seconds:.1f} | {1000 * seconds / cells:.1f} | {seconds / base:.1f} | {memory:.0f} |"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_own_process(variant: str, models: int, sessions: int) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--variant",
        variant,
        "--models",
        str(models),
        "--sessions",
        str(sessions),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def _measure(variant: str, models: int, sessions: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        work = _prepared(variant, Path(folder), models, sessions)
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _prepared(variant: str, folder: Path, models: int, sessions: int) -> Callable[[], object]:
    """Load prices and definitions; what is returned runs the model-days and nothing else."""
    import dagster as dg

    from aitrader_pipeline.automation.launching import Launcher, Plan
    from aitrader_pipeline.config import load_settings
    from aitrader_pipeline.instance import prepare_dagster_home
    from aitrader_pipeline.market.prices import read_history
    from aitrader_pipeline.partitions import axes_of, calendar_of
    from aitrader_pipeline.store.mart import reading
    from aitrader_pipeline.store.records import RecordStore
    from aitrader_pipeline.trading.arena import Arena
    from aitrader_pipeline.trading.chains import Cell, Order, run_order

    entries = [
        {"name": f"Holder {i}", "signature": f"holder-{i}", "trader": "buy_and_hold"} for i in range(models)
    ]
    dates = {"init_date": "2012-06-01", "end_date": "2013-03-01"}
    config = folder / "arena.json"
    config.write_text(json.dumps({"date_range": dates, "models": entries}))
    environ = {"AITRADER_CONFIG": str(config), "AITRADER_HOME": str(folder / "home")}
    settings = load_settings(environ)
    home = prepare_dagster_home(settings, environ)
    os.environ.update(environ)
    if variant == VARIANTS[1]:
        settings_text = (home / "dagster.yaml").read_text()
        (home / "dagster.yaml").write_text(settings_text.partition("\nevent_log_storage:")[0])
    axes = axes_of(settings)
    launcher = Launcher(settings, dg.DagsterInstance.get())
    launcher.load_prices()
    cells = frozenset(Cell(date, model) for date in axes.dates()[:sessions] for model in axes.models)
    if variant == VARIANTS[0]:
        with reading(settings.mart_path) as con:
            history = read_history(con)
        arena = Arena(settings.config, calendar_of(settings), history, RecordStore(settings.records_dir))
        return lambda: run_order(arena, Order(cells, "benchmark"))
    return lambda: launcher.run(Plan(cells, cells, frozenset()))


if __name__ == "__main__":
    main()
