"""What 200 more model-days cost on top of 1,000, 10,000 and 50,000 that are finished.

    python -m benchmarks.growth FOLDER [--finished 1000 10000 50000]

FOLDER keeps the history: interrupted, the same command goes on from there. The history is made by the product
itself, by many launches in one process. The arena's dates and prices end where its history ends and grow with it.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from aitrader_pipeline_tests.arena_homes import ArenaHome
from benchmarks.arenas import holders, sessions, write_arena
from benchmarks.measuring import Measure, command, in_own_process, machine, table

MODELS = holders(20)
ADDED_SESSIONS = 10
ADDED = ADDED_SESSIONS * len(MODELS)
SESSIONS_A_LAUNCH = 50
BUDGET = 1.5


def main() -> None:
    """Grow the history step by step, measure at each, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--finished", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    print(f"{ADDED} model-days more ({len(MODELS)} models x {ADDED_SESSIONS} sessions); {machine()}\n", flush=True)
    steps = [_step(folder, wanted) for wanted in sorted(arguments.finished)]
    print(_table(steps))


def _step(folder: Path, wanted: int) -> Mapping[str, float]:
    """Measure on top of so many finished model-days, or recall what was measured there."""
    told = folder / f"measured-{wanted}.json"
    if told.exists():
        recalled: dict[str, float] = json.loads(told.read_text())
        return recalled
    _grow(folder, wanted // len(MODELS))
    finished, bytes_kept = _finished(folder) * len(MODELS), _bytes_of(folder / "home")
    in_process = _added(folder)
    measured = {
        "finished": finished,
        "kib_per_cell": bytes_kept / 1024 / finished,
        "launcher_ms": in_process.ms_per_cell,
        "launcher_mib": in_process.peak_mib,
    }
    arena = _arena(folder, _finished(folder) + ADDED_SESSIONS)
    process = command("aitrader run", ADDED, arena, "run")
    measured |= {"process_ms": process.ms_per_cell, "process_mib": process.peak_mib}
    told.write_text(json.dumps(measured))
    return measured


def _grow(folder: Path, wanted_sessions: int) -> None:
    """Make the history, in a process of its own."""
    while (finished := _finished(folder)) < wanted_sessions:
        upto = min(wanted_sessions, finished + SESSIONS_A_LAUNCH)
        launch = _launched("history", folder, upto)
        print(f"history: {upto * len(MODELS)} model-days, {launch.ms_per_cell:.1f} ms each", flush=True)


def _added(folder: Path) -> Measure:
    return _launched("Launcher", folder, _finished(folder) + ADDED_SESSIONS)


def _launched(name: str, folder: Path, upto: int) -> Measure:
    cells = (upto - _finished(folder)) * len(MODELS)
    return in_own_process(name, cells, launch_up_to, _arena(folder, upto))


def launch_up_to(arena: ArenaHome) -> float:
    """Run what is missing of an arena, without the start of a process; returns the seconds."""
    from aitrader_pipeline.automation.launching import Launcher, Slice

    with arena.instance() as instance:
        started = time.perf_counter()
        launcher = Launcher(arena.settings, instance)
        launcher.load_prices()
        report = launcher.run(launcher.plan(Slice()))
        seconds = time.perf_counter() - started
    if report.failures:
        raise RuntimeError("; ".join(report.failures))
    return seconds


def _arena(folder: Path, count: int) -> ArenaHome:
    return write_arena(folder, MODELS, sessions()[:count])


def _finished(folder: Path) -> int:
    """Sessions that every model has finished."""
    records = ArenaHome(folder).records
    return min(len(records.dates(str(model["signature"]))) for model in MODELS)


def _bytes_of(folder: Path) -> int:
    """What a folder takes on disk."""
    return sum(os.lstat(Path(root) / name).st_blocks * 512 for root, _, names in os.walk(folder) for name in names)


def _table(steps: list[Mapping[str, float]]) -> str:
    headings = (
        "finished before",
        "Launcher, ms per added",
        "ratio",
        "`aitrader run`, ms per added",
        "ratio",
        "peak MiB",
        "KiB on disk per model-day",
    )
    return table(headings, list(_rows(steps)))


def _rows(steps: list[Mapping[str, float]]) -> Iterator[list[object]]:
    base = steps[0]
    for step in steps:
        yield [
            f"{step['finished']:,}",
            step["launcher_ms"],
            f"{step['launcher_ms'] / base['launcher_ms']:.2f}",
            step["process_ms"],
            f"{step['process_ms'] / base['process_ms']:.2f}",
            step["process_mib"],
            step["kib_per_cell"],
        ]


if __name__ == "__main__":
    main()
