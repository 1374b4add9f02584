"""Jobs as the old service had them: one per launch, told from Dagster's own runs and backfills and the records.

Nothing is kept twice: what a launch asked for is in its backfill or run, what became of each model-day is in the
records, and whether work goes on is the state of its runs.
"""

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from aitrader_pipeline.automation.launch_history import Launch, launches, launches_named, newest_launches
from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import NoDataError
from aitrader_pipeline.partitions import Axes
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import UNFINISHED, Report, cells_of_run, failures_of_run, reports_of_run

JobStatus = Literal["pending", "running", "completed", "partial", "failed"]
CellStatus = Literal["pending", "running", "completed", "failed", "skipped"]

_NEWEST = 20
_CANCELLED = "the launch was cancelled or interrupted; what was finished is kept, launch the same again"
_ENDED_BEFORE = "the run ended before this session was run"
_WAITING = frozenset({dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING})


@dataclass(frozen=True)
class JobDetail:
    """What became of one model-day of a launch.

    ``skipped`` was finished before and left as it was; ``pending`` with an error was not run, and has not failed,
    because the launch was cancelled.
    """

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
class _Work:
    """What goes on of a launch.

    Attributes:
        running: cells that are being run.
        waiting: cells that wait for their turn.
        cancelled: cells whose run was ended from outside, or never came to be.
        errors: why the rest has failed, by model; under the empty name for all others.
    """

    running: frozenset[Cell]
    waiting: frozenset[Cell]
    cancelled: frozenset[Cell]
    errors: Mapping[str, str]


def jobs_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, limit: int = _NEWEST) -> list[Job]:
    """The newest launches of sessions, newest first.

    Args:
        settings: the active arena.
        axes: its partitions.
        instance: the Dagster instance that keeps the runs.
        limit: how many at most.
    """
    return _jobs(islice(newest_launches(axes, instance), limit), settings, axes, instance)


def jobs_within(
    seconds: float, settings: Settings, axes: Axes, instance: dg.DagsterInstance, job_ids: Sequence[str]
) -> tuple[list[Job], Sequence[str]]:
    """As many of the launches with these ids as can be looked at in a time, one of them at least.

    Returns:
        The launches of sessions among them, and the ids that are left.
    """
    end = time.monotonic() + seconds
    jobs: list[Job] = []
    for position, job_id in enumerate(job_ids, start=1):
        jobs += _jobs(launches(axes, instance, [job_id]), settings, axes, instance)
        if time.monotonic() > end:
            return jobs, job_ids[position:]
    return jobs, ()


def job_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, job_id: str | None = None) -> Job:
    """One launch by its id, or by the beginning of it; the newest by default.

    Raises:
        NoDataError: there is no such launch, or the beginning is not enough.
    """
    newest = newest_launches(axes, instance)
    named = launches(axes, instance, launches_named(instance, job_id)) if job_id else newest
    found = list(islice(named, None if job_id else 1))
    if not found:
        ids = ", ".join(launch.job_id for launch in islice(newest, 3))
        known = f"; the newest are {ids}" if ids else ""
        raise NoDataError(f"there is no job {job_id}{known}" if job_id else "no job has been launched yet")
    if len(found) > 1:
        raise NoDataError(f"{len(found)} jobs begin with {job_id}; give more of the id")
    return _jobs(found, settings, axes, instance)[0]


def _jobs(found: Iterable[Launch], settings: Settings, axes: Axes, instance: dg.DagsterInstance) -> list[Job]:
    records = RecordStore(settings.records_dir)
    return [_job(launch, axes, records, instance) for launch in found]


def _job(launch: Launch, axes: Axes, records: RecordStore, instance: dg.DagsterInstance) -> Job:
    statuses = [record.dagster_run.status for record in launch.runs]
    reports: dict[Cell, Report] = {}
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


def _work(launch: Launch, axes: Axes, instance: dg.DagsterInstance) -> _Work:
    running: set[Cell] = set()
    waiting: set[Cell] = set()
    errors, cancelled = _ended(launch, axes, instance)
    for run in (record.dagster_run for record in launch.runs if record.dagster_run.status in UNFINISHED):
        failures = failures_of_run(instance, run.run_id)
        errors |= {cell.model: error for cell, error in failures.items()}
        # The run goes on with other models.
        cells = {c for c in cells_of_run(run, axes) if not any(f.model == c.model and f <= c for f in failures)}
        waiting |= cells
        if run.status is dg.DagsterRunStatus.STARTED:
            running |= cells
    if launch.is_open:
        waiting |= {cell for cell in launch.cells if cell.model not in errors}
    return _Work(frozenset(running), frozenset(waiting), cancelled, errors)


def _chain(
    launch: Launch,
    cells: Iterable[Cell],
    records: RecordStore,
    reports: Mapping[Cell, Report],
    work: _Work,
) -> list[JobDetail]:
    """A model's days of a launch: what is done, then the one that is being run or has failed, then the rest."""
    details: list[JobDetail] = []
    head_seen = False
    for cell in cells:
        finished = _finished(launch, cell, reports.get(cell), records)
        if finished is not None:
            details.append(finished)
            continue
        if cell in work.running:
            details.append(JobDetail(cell.date, cell.model, "pending" if head_seen else "running"))
        elif cell in work.waiting:
            details.append(JobDetail(cell.date, cell.model, "pending"))
        elif cell in work.cancelled and cell.model not in work.errors:
            details.append(JobDetail(cell.date, cell.model, "pending", error=_CANCELLED))
        else:
            reason = work.errors.get(cell.model) or work.errors.get("") or _ENDED_BEFORE
            error = _not_run(reason) if head_seen else reason
            details.append(JobDetail(cell.date, cell.model, "failed", error=error))
        head_seen = True
    return details


def _finished(launch: Launch, cell: Cell, report: Report | None, records: RecordStore) -> JobDetail | None:
    """What a launch says of a model-day that it has run or kept; None where it has done neither."""
    if report is None:
        # A run that died before it could say so has finished it all the same.
        record = records.read(cell.model, cell.date)
        if record is None or record.launch != launch.job_id:
            return None
        report = Report(record.launch, record.started_at, record.finished_at)
    status: CellStatus = "completed" if report.launch == launch.job_id else "skipped"
    return JobDetail(cell.date, cell.model, status, report.started_at, report.finished_at)


def _not_run(reason: str) -> str:
    return f"not run because an earlier session failed: {reason}"


def _status(details: Iterable[JobDetail], *, active: bool, waiting: bool) -> JobStatus:
    """Spec of the old service: some failed and some completed is partial; skipped ones fail nothing.

    Of a launch that is over, what was not run is told like what has failed: it is not completed.
    """
    states = [detail.status for detail in details]
    if active:
        return "pending" if waiting and "completed" not in states else "running"
    if not {"failed", "pending"} & set(states):
        return "completed"
    return "partial" if "completed" in states else "failed"


def _ended(launch: Launch, axes: Axes, instance: dg.DagsterInstance) -> tuple[dict[str, str], frozenset[Cell]]:
    """Why the runs of a launch failed: per model where the sessions say so, else under the empty name.

    With it the cells whose run was cancelled.
    """
    errors: dict[str, str] = {"": _CANCELLED} if launch.is_cancelled else {}
    cancelled = set(launch.cells if launch.is_cancelled else ())
    retried = {record.dagster_run.parent_run_id for record in launch.runs}
    for run in (record.dagster_run for record in launch.runs):
        if run.run_id in retried or run.status not in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
            continue
        told = {cell.model: error for cell, error in failures_of_run(instance, run.run_id).items()}
        errors |= told
        if run.status is dg.DagsterRunStatus.CANCELED:
            errors[""] = _CANCELLED
            cancelled |= cells_of_run(run, axes)
        elif not told or run.tags.get(RUN_FAILURE_REASON_TAG) != RunFailureReason.STEP_FAILURE.value:
            errors[""] = _last_words(run, instance)
            cancelled -= cells_of_run(run, axes)
    return errors, frozenset(cancelled)


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
