"""Jobs as the old service had them: one per launch, told from Dagster's own runs and backfills and the records.

Nothing is kept twice: what a launch asked for is in its backfill or run, what became of each model-day is in the
records, and whether work goes on is the state of its runs.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
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


def jobs_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, limit: int = 20) -> list[Job]:
    """The newest launches of sessions, newest first.

    Args:
        settings: the active arena.
        axes: its partitions.
        instance: the Dagster instance that keeps the runs.
        limit: how many at most.
    """
    records = RecordStore(settings.records_dir)
    return [_job(launch, axes, records, instance) for launch in _launches(axes, instance)[:limit]]


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
    active = launch.is_open or any(status in UNFINISHED for status in statuses)
    reported = {cell for record in launch.runs for cell in reports_of_run(instance, record.dagster_run.run_id)}
    errors = _errors(launch.runs, instance)
    details: list[JobDetail] = []
    for model in sorted({cell.model for cell in launch.cells}):
        dates = sorted(cell.date for cell in launch.cells if cell.model == model)
        running_runs = _cells_being_run(launch.runs, axes)
        details += _chain(launch, model, dates, records, reported, errors, running_runs if active else frozenset())
    started = min((record.start_time for record in launch.runs if record.start_time), default=None)
    ended = max((record.end_time for record in launch.runs if record.end_time), default=None)
    return Job(
        job_id=launch.job_id,
        status=_status(details, active=active, waiting=all(status in _WAITING for status in statuses)),
        created_at=launch.created_at,
        started_at=_at(started),
        completed_at=None if active else _at(ended),
        error="; ".join(sorted(set(errors.values()))) or None,
        details=tuple(sorted(details, key=lambda detail: (detail.date, detail.model))),
    )


def _chain(
    launch: _Launch,
    model: str,
    dates: Sequence[dt.date],
    records: RecordStore,
    reported: set[Cell],
    errors: dict[str, str],
    being_run: frozenset[Cell],
) -> list[JobDetail]:
    """A model's days of a launch: what is done, then the one that is being run or has failed, then the rest."""
    details: list[JobDetail] = []
    head_seen = False
    over = not being_run and not launch.is_open
    for date in dates:
        cell = Cell(date, model)
        record = records.read(model, date)
        if record is not None and (record.launch == launch.job_id or cell in reported):
            details.append(_finished(record, launch.job_id))
            continue
        if cell in being_run:
            details.append(JobDetail(date, model, "pending" if head_seen else "running"))
        elif over or model in errors:
            reason = errors.get(model) or errors.get("") or "the run ended before this session was run"
            details.append(JobDetail(date, model, "failed", error=_not_run(reason) if head_seen else reason))
        else:
            details.append(JobDetail(date, model, "pending"))
        head_seen = True
    return details


def _finished(record: SessionRecord, job_id: str) -> JobDetail:
    status: CellStatus = "completed" if record.launch == job_id else "skipped"
    return JobDetail(record.date, record.model, status, record.started_at, record.finished_at)


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


def _cells_being_run(runs: Iterable[dg.RunRecord], axes: Axes) -> frozenset[Cell]:
    started = [r.dagster_run for r in runs if r.dagster_run.status == dg.DagsterRunStatus.STARTED]
    return frozenset(cell for run in started for cell in cells_of_run(run, axes))


def _errors(runs: Iterable[dg.RunRecord], instance: dg.DagsterInstance) -> dict[str, str]:
    """Why the runs of a launch failed: per model where the sessions say so, else under the empty name."""
    errors: dict[str, str] = {}
    for record in runs:
        run = record.dagster_run
        if run.status is dg.DagsterRunStatus.CANCELED:
            errors[""] = "the run was cancelled"
        if run.status is not dg.DagsterRunStatus.FAILURE:
            continue
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
            failure = entry.get_dagster_event().step_failure_data
            data = failure.user_failure_data
            for model, value in (data.metadata if data else {}).items():
                errors[model] = str(value.value)
        if not errors:
            errors[""] = "the run failed: see its page in the UI"
    return errors


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
