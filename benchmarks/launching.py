"""What launching costs: 1,000 model-days of instant traders by the bare loop, by command, and by a backfill.

    python -m benchmarks.launching [--models 5] [--sessions 200] [--run-per-cell 20]

Every variant has a folder and processes of its own. The bare loop is timed without the start of its process, the
command with it, the backfill from the click until it is over. A run per model-day, with which they are compared,
is launched for some of them only: a session's runs at once, and the next session's when these are over.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.partitions import Block
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.served_arenas import EVERY_BOOK, served
from benchmarks.arenas import holders, sessions, write_arena
from benchmarks.measuring import (
    PATIENCE_SECONDS,
    Measure,
    backfill,
    command,
    in_own_process,
    machine,
    peak_of_runs,
    table,
)

SHARE_BUDGET_MS = 15.0
BACKFILL_BUDGET_SECONDS = 60.0


def main() -> None:
    """Run every variant and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--run-per-cell", type=int, default=20, help="how many model-days in runs of their own")
    arguments = parser.parse_args()
    models, dates = holders(arguments.models), sessions()[-arguments.sessions :]
    cells = [Cell(date, str(model["signature"])) for date in dates for model in models]
    print(f"{len(cells):,} model-days ({len(models)} models x {len(dates)} sessions); {machine()}\n", flush=True)
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:

        def arena(name: str, **environ: str) -> ArenaHome:
            return write_arena(Path(folder) / name, models, dates, **environ)

        for measure in _variants(arena, cells, arguments.run_per_cell):
            print(f"{measure.name}: {measure.seconds:.1f} s", file=sys.stderr, flush=True)
            measures.append(measure)
    bare, run, _, clicked, _ = measures
    print(_table(measures))
    share = (run.seconds - bare.seconds) * 1000 / len(cells) / len(EVERY_BOOK)
    print(f"\nDagster's share: {share:.1f} ms per model-day and partitioned asset (budget {SHARE_BUDGET_MS:g})")
    extra = clicked.seconds - run.seconds
    print(f"backfill less command: {extra:.1f} s (budget {BACKFILL_BUDGET_SECONDS:g}, two ticks of the daemon)")


def _variants(arena: Callable[..., ArenaHome], cells: Sequence[Cell], run_per_cell: int) -> Iterator[Measure]:
    yield _bare(arena("bare"), cells)
    yield command("`aitrader run`", len(cells), arena("run"), "run")
    own_log = _with_dagsters_event_log(arena("own-log"))
    yield command("`aitrader run`, Dagster's own event log", len(cells), own_log, "run")
    yield backfill(arena("backfill"), cells)
    yield _run_per_cell(arena("single"), cells[:run_per_cell])


def _bare(arena: ArenaHome, cells: Sequence[Cell]) -> Measure:
    arena.materialise("prices")
    return in_own_process("bare loop", len(cells), bare_loop, arena, cells)


def bare_loop(arena: ArenaHome, cells: Sequence[Cell]) -> float:
    """Run model-days without Dagster and without books; returns the seconds."""
    from aitrader_pipeline.market.prices import read_history
    from aitrader_pipeline.partitions import calendar_of
    from aitrader_pipeline.store.mart import reading
    from aitrader_pipeline.trading.arena import Arena
    from aitrader_pipeline.trading.chains import Order, run_order

    settings = arena.settings
    with reading(settings.mart_path) as con:
        history = read_history(con)
    bare = Arena(settings.config, calendar_of(settings), history, arena.records)
    started = time.perf_counter()
    outcome = run_order(bare, Order(frozenset(cells), "benchmark"))
    seconds = time.perf_counter() - started
    if outcome.failures:
        raise RuntimeError("; ".join(map(str, outcome.failures)))
    return seconds


def _with_dagsters_event_log(arena: ArenaHome) -> ArenaHome:
    """The arena with a Dagster home in which the event log is the usual one."""
    home = arena.folder / "dagster"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", home)
    return replace(arena, environ={**arena.environ, "DAGSTER_HOME": str(home)})


def _run_per_cell(arena: ArenaHome, cells: Sequence[Cell]) -> Measure:
    arena.materialise("prices")
    with served(arena) as ui, peak_of_runs(arena) as peak:
        started = time.perf_counter()
        for date in sorted({cell.date for cell in cells}):
            runs = [ui.launch(Block(date, date, (cell.model,))) for cell in cells if cell.date == date]
            for run in runs:
                if (status := ui.wait_run(run, PATIENCE_SECONDS)) != "SUCCESS":
                    raise RuntimeError(f"run {run} ended with {status}")
        seconds = time.perf_counter() - started
        largest = peak()
    return Measure("a run per model-day", len(cells), seconds, largest)


def _table(measures: Sequence[Measure]) -> str:
    headings = ("variant", "model-days", "seconds", "ms per model-day", "ratio", "peak MiB of a process")
    base = measures[0].ms_per_cell
    return table(
        headings,
        [
            (m.name, f"{m.cells:,}", m.seconds, m.ms_per_cell, m.ms_per_cell / base, f"{m.peak_mib:.0f}")
            for m in measures
        ],
    )


if __name__ == "__main__":
    main()
