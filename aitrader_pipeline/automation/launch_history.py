"""Finding launches in Dagster's records, without reading those of all other launches that there ever were."""

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

import dagster as dg
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.storage.tags import BACKFILL_ID_TAG, ROOT_RUN_ID_TAG

from aitrader_pipeline.catalog import SESSIONS
from aitrader_pipeline.partitions import Axes
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import (
    OPEN_BACKFILL,
    UNFINISHED,
    cells_of_backfill,
    cells_of_run,
    launch_of,
)

_SESSIONS_KEY = dg.AssetKey(SESSIONS)
_PAGE = 100


@dataclass(frozen=True)
class Launch:
    """A user action that asked for sessions, with the runs that came of it so far.

    A cancelled one is a backfill that was ended before all of its runs were made.
    """

    job_id: str
    cells: frozenset[Cell]
    runs: tuple[dg.RunRecord, ...]
    created_at: dt.datetime
    is_open: bool
    is_cancelled: bool = False

    @property
    def under_way(self) -> bool:
        """Whether a run of it is unfinished, or more are to come."""
        return self.is_open or any(record.dagster_run.status in UNFINISHED for record in self.runs)


@dataclass(frozen=True)
class Mark:
    """How far the history was read: the newest run's number in Dagster's storage, and the newest backfill."""

    run: int = 0
    backfill: str = ""


def newest_launches(axes: Axes, instance: dg.DagsterInstance) -> Iterator[Launch]:
    """All launches of sessions, newest first; read as far as they are asked for."""
    roots = (
        (record.create_timestamp.timestamp(), launch_of(record.dagster_run))
        for record in _runs(instance, dg.RunsFilter(exclude_subruns=True))
        if _has_sessions(record.dagster_run) and not _belongs_to_an_earlier_one(record.dagster_run, instance)
    )
    backfills = ((found.backfill_timestamp, found.backfill_id) for found in _backfills(instance))
    newest = (job_id for _, job_id in heapq.merge(roots, backfills, reverse=True))
    return launches(axes, instance, newest)


def launches(axes: Axes, instance: dg.DagsterInstance, job_ids: Iterable[str]) -> Iterator[Launch]:
    """The launches of sessions with these ids; whatever else has one of them is left out."""
    seen: set[str] = set()
    for job_id in job_ids:
        if job_id in seen:
            continue
        seen.add(job_id)
        backfill = instance.get_backfill(job_id)
        launch = _of_backfill(backfill, instance) if backfill else _of_run(job_id, axes, instance)
        if launch.cells:
            yield launch


def launches_since(instance: dg.DagsterInstance, mark: Mark) -> tuple[list[str], Mark]:
    """The launches that have got a run, or were made, after the history was read last.

    Returns:
        Their ids, newest first, and how far the history is read now.
    """
    runs = list(takewhile(lambda record: record.storage_id > mark.run, _runs(instance, dg.RunsFilter())))
    backfills = list(takewhile(lambda found: found.backfill_id != mark.backfill, _backfills(instance)))
    ids = [found.backfill_id for found in backfills]
    ids += [launch_of(record.dagster_run) for record in runs if _has_sessions(record.dagster_run)]
    return list(dict.fromkeys(ids)), Mark(
        run=runs[0].storage_id if runs else mark.run,
        backfill=backfills[0].backfill_id if backfills else mark.backfill,
    )


def launches_named(instance: dg.DagsterInstance, beginning: str) -> list[str]:
    """The ids of launches that begin like this; only ids are read."""
    if instance.get_backfill(beginning) or instance.has_run(beginning):
        return [beginning]
    known = instance.run_storage.get_run_tags([BACKFILL_ID_TAG], value_prefix=beginning)
    found = {job_id for _, ids in known for job_id in ids}
    waiting = instance.get_backfills(BulkActionsFilter(statuses=OPEN_BACKFILL))
    found |= {backfill.backfill_id for backfill in waiting}
    found |= set(instance.get_run_ids(dg.RunsFilter(exclude_subruns=True)))
    return [job_id for job_id in found if job_id.startswith(beginning)]


def _of_backfill(backfill: PartitionBackfill, instance: dg.DagsterInstance) -> Launch:
    return Launch(
        backfill.backfill_id,
        cells_of_backfill(backfill, _SESSIONS_KEY),
        _session_runs(instance, dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill.backfill_id})),
        dt.datetime.fromtimestamp(backfill.backfill_timestamp, dt.UTC),
        is_open=backfill.status not in BULK_ACTION_TERMINAL_STATUSES,
        is_cancelled=backfill.status is BulkActionStatus.CANCELED,
    )


def _of_run(run_id: str, axes: Axes, instance: dg.DagsterInstance) -> Launch:
    own = _session_runs(instance, dg.RunsFilter(run_ids=[run_id]))
    # A retry of another launch is no launch of its own.
    own = tuple(record for record in own if launch_of(record.dagster_run) == run_id)
    runs = (*own, *_session_runs(instance, dg.RunsFilter(tags={ROOT_RUN_ID_TAG: run_id})))
    created = min((record.create_timestamp for record in runs), default=dt.datetime.now(dt.UTC))
    cells = frozenset(cell for record in runs for cell in cells_of_run(record.dagster_run, axes))
    return Launch(run_id, cells, runs, created, is_open=False)


def _belongs_to_an_earlier_one(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    if run.root_run_id is None:
        return False
    root = instance.get_run_by_id(run.root_run_id)
    # A run of a backfill that is over may be tried again by hand: that is a launch by itself.
    return root is not None and launch_of(root) == root.run_id


def _session_runs(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> tuple[dg.RunRecord, ...]:
    return tuple(record for record in instance.get_run_records(filters) if _has_sessions(record.dagster_run))


def _has_sessions(run: dg.DagsterRun) -> bool:
    return run.asset_selection is None or _SESSIONS_KEY in run.asset_selection


def _runs(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> Iterator[dg.RunRecord]:
    """Runs, newest first, read page by page."""
    cursor: str | None = None
    while page := instance.get_run_records(filters, limit=_PAGE, cursor=cursor):
        yield from page
        cursor = page[-1].dagster_run.run_id


def _backfills(instance: dg.DagsterInstance) -> Iterator[PartitionBackfill]:
    """Backfills, newest first, read page by page."""
    before: dt.datetime | None = None
    while page := instance.get_backfills(BulkActionsFilter(created_before=before), limit=_PAGE):
        yield from page
        before = dt.datetime.fromtimestamp(page[-1].backfill_timestamp, dt.UTC)
