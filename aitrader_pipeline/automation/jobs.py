"""Jobs as the old service had them: one per launch, told from Dagster's own runs and backfills and the records.

Nothing is kept twice: what a launch asked for is in its backfill or run, what became of each model-day is in the
records, and whether work goes on is the state of its runs.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from aitrader_pipeline.catalog import SESSIONS
from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import NoDataError
from aitrader_pipeline.partitions import Axes
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import (
    UNFINISHED,
    cells_of_backfill,
    cells_of_run,
    launch_of,
    reports_of_run,
)
from aitrader_pipeline.trading.record import SessionRecord

JobStatus = Literal["pending", "running", "completed", "partial", "failed"]
CellStatus = Literal["pending", "running", "completed", "failed", "skipped"]

_SESSIONS_KEY = dg.AssetKey(SESSIONS)
_NEWEST = 20
_ENDED_BEFORE = "the run ended before this session was run"
_WAITING = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING})


@dataclass(frozen=True)
class JobDetail:
    """What became of one model-day of a launch; ``skipped`` was finished before and left as it was."""

    date: dt.date
    model: str
    status: CellStatus
    started_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    error: str | None = None

    @property
    def duration_seconds(self) -> float | None:
        """Seconds of the session, None until it is completed."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Job:
    """A launch: what was asked for, how far it is, and each of its model-days."""

    job_id: str
    status: JobStatus
    created_at: dt.datetime
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    error: str | None
    details: tuple[JobDetail, ...]

    def count(self, *statuses: CellStatus) -> int:
        """Model-days in one of these states."""
        return sum(detail.status in statuses for detail in self.details)

    @property
    def dates(self) -> tuple[dt.date, ...]:
        """Its sessions."""
        return tuple(sorted({detail.date for detail in self.details}))

    @property
    def models(self) -> tuple[str, ...]:
        """Its models."""
        return tuple(sorted({detail.model for detail in self.details}))

    @property
    def total_duration_seconds(self) -> float | None:
        """Seconds from its first start to its end, None while it is under way."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()

    @property
    def current(self) -> tuple[JobDetail, ...]:
        """The model-days that are being run."""
        return tuple(detail for detail in self.details if detail.status == "running")


@dataclass(frozen=True)
class _Launch:
    job_id: str
    cells: frozenset[Cell]
    runs: tuple[dg.RunRecord, ...]
    created_at: dt.datetime
    is_open: bool

    @property
    def under_way(self) -> bool:
        """Whether a run of it is unfinished, or more are to come."""
        return self.is_open or any(record.dagster_run.status in UNFINISHED for record in self.runs)


@dataclass(frozen=True)
class _Work:
    """What goes on of a launch: the cells that are being run, those that wait, and why the rest has failed."""

    running: frozenset[Cell]
    waiting: frozenset[Cell]
    errors: Mapping[str, str]


def jobs_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, limit: int = _NEWEST) -> list[Job]:
    """The newest launches of sessions, newest first.

    Args:
        settings: the active arena.
        axes: its partitions.
        instance: the Dagster instance that keeps the runs.
        limit: how many at most.
    """
    records = RecordStore(settings.records_dir)
    return [_job(launch, axes, records, instance) for launch in _launches(axes, instance)[:limit]]


def jobs_to_record(
    settings: Settings, axes: Axes, instance: dg.DagsterInstance, unfinished_before: Collection[str]
) -> list[Job]:
    """The newest launches, and older ones that are under way or were when they were last recorded."""
    records = RecordStore(settings.records_dir)
    launches = _launches(axes, instance)
    older = [launch for launch in launches[_NEWEST:] if launch.under_way or launch.job_id in unfinished_before]
    return [_job(launch, axes, records, instance) for launch in (*launches[:_NEWEST], *older)]


def job_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, job_id: str | None = None) -> Job:
    """One launch by its id, or by the beginning of it; the newest by default.

    Raises:
        NoDataError: there is no such launch, or the beginning is not enough.
    """
    launches = _launches(axes, instance)
    found = [launch for launch in launches if job_id is None or launch.job_id.startswith(job_id)]
    if not found:
        known = f"; the newest are {', '.join(launch.job_id for launch in launches[:3])}" if launches else ""
        raise NoDataError(f"there is no job {job_id}{known}" if job_id else "no job has been launched yet")
    if job_id is not None and len(found) > 1:
        raise NoDataError(f"{len(found)} jobs begin with {job_id}; give more of the id")
    return _job(found[0], axes, RecordStore(settings.records_dir), instance)


def _launches(axes: Axes, instance: dg.DagsterInstance) -> list[_Launch]:
    runs: dict[str, list[dg.RunRecord]] = {}
    for record in instance.get_run_records():
        selection = record.dagster_run.asset_selection
        if selection is None or _SESSIONS_KEY in selection:
            runs.setdefault(launch_of(record.dagster_run), []).append(record)
    launches: list[_Launch] = []
    for backfill in instance.get_backfills():
        cells = cells_of_backfill(backfill, _SESSIONS_KEY)
        if cells:
            created = dt.datetime.fromtimestamp(backfill.backfill_timestamp, dt.UTC)
            own = tuple(runs.pop(backfill.backfill_id, ()))
            is_open = backfill.status.value in ("REQUESTED", "CANCELING")
            launches.append(_Launch(backfill.backfill_id, cells, own, created, is_open))
    for job_id, own_runs in runs.items():
        cells = frozenset(cell for record in own_runs for cell in cells_of_run(record.dagster_run, axes))
        if cells:
            created = min(_utc(record.create_timestamp) for record in own_runs)
            launches.append(_Launch(job_id, cells, tuple(own_runs), created, is_open=False))
    return sorted(launches, key=lambda launch: launch.created_at, reverse=True)


def _job(launch: _Launch, axes: Axes, records: RecordStore, instance: dg.DagsterInstance) -> Job:
    statuses = [record.dagster_run.status for record in launch.runs]
    reports: dict[Cell, dt.datetime] = {}
    for record in launch.runs:
        reports |= reports_of_run(instance, record.dagster_run.run_id)
    work = _work(launch, axes, instance)
    details: list[JobDetail] = []
    for model in sorted({cell.model for cell in launch.cells}):
        chain = sorted(cell for cell in launch.cells if cell.model == model)
        details += _chain(launch, chain, records, reports, work)
    started = min((record.start_time for record in launch.runs if record.start_time), default=None)
    ended = max((record.end_time for record in launch.runs if record.end_time), default=None)
    waiting = all(status in _WAITING for status in statuses)
    return Job(
        job_id=launch.job_id,
        status=_status(details, active=launch.under_way, waiting=waiting),
        created_at=launch.created_at,
        started_at=_at(started),
        completed_at=None if launch.under_way else _at(ended),
        error="; ".join(sorted(set(work.errors.values()))) or None,
        details=tuple(sorted(details, key=lambda detail: (detail.date, detail.model))),
    )


def _work(launch: _Launch, axes: Axes, instance: dg.DagsterInstance) -> _Work:
    errors = _errors(launch.runs, instance)
    running = _cells_of_runs(launch.runs, axes, {dg.DagsterRunStatus.STARTED})
    waiting = _cells_of_runs(launch.runs, axes, UNFINISHED)
    if launch.is_open:
        waiting |= {cell for cell in launch.cells if cell.model not in errors}
    return _Work(running, waiting, errors)


def _chain(
    launch: _Launch,
    cells: Iterable[Cell],
    records: RecordStore,
    reports: Mapping[Cell, dt.datetime],
    work: _Work,
) -> list[JobDetail]:
    """A model's days of a launch: what is done, then the one that is being run or has failed, then the rest."""
    details: list[JobDetail] = []
    head_seen = False
    for cell in cells:
        finished = _finished(launch, cell, records.read(cell.model, cell.date), reports.get(cell))
        if finished is not None:
            details.append(finished)
            continue
        if cell in work.running:
            details.append(JobDetail(cell.date, cell.model, "pending" if head_seen else "running"))
        elif cell in work.waiting:
            details.append(JobDetail(cell.date, cell.model, "pending"))
        else:
            reason = work.errors.get(cell.model) or work.errors.get("") or _ENDED_BEFORE
            error = _not_run(reason) if head_seen else reason
            details.append(JobDetail(cell.date, cell.model, "failed", error=error))
        head_seen = True
    return details


def _finished(
    launch: _Launch, cell: Cell, record: SessionRecord | None, reported_at: dt.datetime | None
) -> JobDetail | None:
    """What a launch says of a model-day that it has run or kept; None where it has done neither."""
    if record is not None and record.launch == launch.job_id:
        return JobDetail(cell.date, cell.model, "completed", record.started_at, record.finished_at)
    if reported_at is None:
        return None
    if record is None or record.finished_at > reported_at:
        # Another launch has replaced it since: its times went with its record.
        return JobDetail(cell.date, cell.model, "completed", completed_at=reported_at)
    return JobDetail(cell.date, cell.model, "skipped", record.started_at, record.finished_at)


def _not_run(reason: str) -> str:
    return f"not run because an earlier session failed: {reason}"


def _status(details: Iterable[JobDetail], *, active: bool, waiting: bool) -> JobStatus:
    """Spec of the old service: some failed and some completed is partial; skipped ones fail nothing."""
    states = [detail.status for detail in details]
    if active:
        return "pending" if waiting and "completed" not in states else "running"
    if "failed" not in states:
        return "completed"
    return "partial" if "completed" in states else "failed"


def _cells_of_runs(
    runs: Iterable[dg.RunRecord], axes: Axes, statuses: Collection[dg.DagsterRunStatus]
) -> frozenset[Cell]:
    matching = [record.dagster_run for record in runs if record.dagster_run.status in statuses]
    return frozenset(cell for run in matching for cell in cells_of_run(run, axes))


def _errors(runs: Iterable[dg.RunRecord], instance: dg.DagsterInstance) -> dict[str, str]:
    """Why the runs of a launch failed: per model where the sessions say so, else under the empty name."""
    errors: dict[str, str] = {}
    retried = {record.dagster_run.parent_run_id for record in runs}
    for run in (record.dagster_run for record in runs):
        if run.run_id in retried:
            continue
        if run.status is dg.DagsterRunStatus.CANCELED:
            errors[""] = "the run was cancelled"
        if run.status is dg.DagsterRunStatus.FAILURE:
            errors |= _errors_of_models(run, instance) or {"": _last_words(run, instance)}
    return errors


def _errors_of_models(run: dg.DagsterRun, instance: dg.DagsterInstance) -> dict[str, str]:
    """What the sessions said of each model that failed."""
    errors: dict[str, str] = {}
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        data = event.step_failure_data.user_failure_data
        if event.step_key == SESSIONS and data is not None:
            errors |= {model: str(value.value) for model, value in data.metadata.items()}
    return errors


def _last_words(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """What Dagster says of a run that failed otherwise, such as that its process has died."""
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    messages = [entry.get_dagster_event().message for entry in entries]
    return next((message for message in messages if message), "the run failed: see its page in the UI")


def _at(timestamp: float | None) -> dt.datetime | None:
    return None if timestamp is None else dt.datetime.fromtimestamp(timestamp, dt.UTC)


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def job_shape(job: Job, *, with_details: bool) -> dict[str, Any]:
    """A launch in the shape of the API."""
    progress: dict[str, Any] = {
        "total_model_days": len(job.details),
        "completed": job.count("completed"),
        "failed": job.count("failed"),
        "skipped": job.count("skipped"),
        "pending": job.count("pending"),
        "current": [{"date": d.date.isoformat(), "model": d.model} for d in job.current],
    }
    if with_details:
        progress["details"] = [_detail_shape(detail) for detail in job.details]
    return {
        "job_id": job.job_id,
        "status": job.status,
        "date_range": [date.isoformat() for date in job.dates],
        "models": list(job.models),
        "progress": progress,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "completed_at": job.completed_at.isoformat() if job.completed_at else None,
        "total_duration_seconds": job.total_duration_seconds,
        "error": job.error,
    }


def _detail_shape(detail: JobDetail) -> dict[str, Any]:
    return {
        "date": detail.date.isoformat(),
        "model": detail.model,
        "status": detail.status,
        "duration_seconds": detail.duration_seconds,
        "error": detail.error,
    }
