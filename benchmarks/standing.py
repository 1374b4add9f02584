"""How an arena stands: what is still under way in it, and where it is not what an undisturbed one is."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter

from aitrader_pipeline.store.mart import schema
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import OPEN_BACKFILL, UNFINISHED
from aitrader_pipeline_tests.arena_homes import ArenaHome

_KEPT = {"records", "recordings", "endpoints", "spending.sqlite", "dagster", "aitrader.duckdb"}
_LOCK = ".lock"
# Where a row says which launch has run its session: one query, because they are few and all are needed.
_LAUNCHES = "SELECT DISTINCT date, model, job_id FROM {}"
_LAUNCHED = ("positions", "reasoning_logs", "tool_usage")
_NAMED = 5


def under_way(arena: ArenaHome) -> list[str]:
    """The runs and backfills that Dagster does not say are over."""
    with arena.instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
        backfills = instance.get_backfills(BulkActionsFilter(statuses=OPEN_BACKFILL))
    named = [f"run {run.run_id} is {run.status.value}" for run in runs]
    return named + [f"backfill {found.backfill_id} is {found.status.value}" for found in backfills]


def differences(arena: ArenaHome, undisturbed: ArenaHome) -> list[str]:
    """Where an arena is not what the same one is to which nothing has happened, or is not done yet."""
    found = under_way(arena)
    found += _of_records(arena.essences(), undisturbed.essences())
    found += _of_tables(arena.tables(), undisturbed.tables())
    found += _of_launches(arena)
    found += _of_jobs(arena)
    return found


def complaints(arena: ArenaHome) -> list[str]:
    """What the command line finds to do or to say, and what is left over; nobody else may be at work."""
    found = [*_of_commands(arena), *_tables_left(arena)]
    return found + sorted(_left_over(arena))


def _of_records(ours: Mapping[Cell, bytes], theirs: Mapping[Cell, bytes]) -> list[str]:
    found = [f"no record of {cell}" for cell in sorted(theirs.keys() - ours.keys())]
    found += [f"a record of {cell} that nobody asked for" for cell in sorted(ours.keys() - theirs.keys())]
    both = sorted(ours.keys() & theirs.keys())
    return found + [f"the record of {cell} differs" for cell in both if ours[cell] != theirs[cell]]


def _of_tables(
    ours: Mapping[str, list[tuple[Any, ...]]], theirs: Mapping[str, list[tuple[Any, ...]]]
) -> Iterator[str]:
    for name, rows in theirs.items():
        if ours[name] == rows:
            continue
        differing = [(a, b) for a, b in zip(ours[name], rows, strict=False) if a != b]
        shown = "; ".join(f"{a} instead of {b}" for a, b in differing[:1])
        yield f"{name} has {len(ours[name])} rows instead of {len(rows)}, {len(differing)} differ: {shown}"


def _of_launches(arena: ArenaHome) -> Iterator[str]:
    """Rows that were made from another record than the one that stands."""
    launches = arena.launches()
    for table in _LAUNCHED:
        rows = arena.rows(_LAUNCHES.format(table))
        stale = [f"{model} {date}" for date, model, launch in rows if launches.get(Cell(date, model)) != launch]
        if stale:
            yield f"{table} is older than {len(stale)} records: {', '.join(sorted(stale)[:_NAMED])}"


def _tables_left(arena: ArenaHome) -> list[str]:
    rows = arena.rows("SELECT table_name FROM duckdb_tables() WHERE NOT internal")
    return [f"the mart has a table {name} of its own" for (name,) in rows if name not in schema()]


def _of_jobs(arena: ArenaHome) -> Iterator[str]:
    for job_id, status in arena.rows("SELECT job_id, status FROM jobs WHERE status IN ('pending', 'running')"):
        yield f"the table jobs calls {job_id} {status}"


def _of_commands(arena: ArenaHome) -> Iterator[str]:
    for job in arena.ok("jobs", "--limit", "1000", "--format", "json").json["jobs"]:
        if job["status"] in ("pending", "running") or job["progress"]["pending"]:
            yield f"`aitrader jobs` calls {job['job_id']} {job['status']}"
    doctor = arena.aitrader("doctor")
    if doctor.status:
        yield f"`aitrader doctor`: {doctor.out}{doctor.said}"
    again = arena.aitrader("run")
    if again.status or not again.said.startswith("Up to date:"):
        yield f"`aitrader run`: {again.said}"


def _left_over(arena: ArenaHome) -> Iterator[str]:
    """Files that nobody needs any more."""
    for path in (arena.home / "records").rglob("*"):
        if path.is_file() and path.name != _LOCK and not path.name.startswith("date="):
            yield f"left over: {path}"
    for path in arena.home.iterdir():
        if path.name not in _KEPT:
            yield f"left over: {path}"
    for path in (arena.home / "dagster").glob(".dagster.yaml.*"):
        yield f"left over: {path}"
