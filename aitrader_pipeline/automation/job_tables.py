"""The tables ``jobs`` and ``job_details``, for those who ask in SQL."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from aitrader_pipeline.automation.jobs import Job
from aitrader_pipeline.automation.launch_history import Mark, launches_since
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_rows

_PACKAGE = "aitrader_pipeline.automation"
_JOBS = (
    "job_id",
    "config_path",
    "status",
    "date_range",
    "models",
    "created_at",
    "started_at",
    "completed_at",
    "total_duration_seconds",
    "error",
)
_DETAILS = ("job_id", "date", "model", "status", "started_at", "completed_at", "duration_seconds", "error")


@dataclass(frozen=True)
class Told:
    """What the tables tell already, as a sensor's cursor keeps it.

    Attributes:
        mark: how far Dagster's history is told.
        queue: launches that are to be told, or told again, because they are under way.
        digest: of what was told last; none before the first time.
    """

    mark: Mark = field(default_factory=Mark)
    queue: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def of_cursor(cls, cursor: str | None) -> "Told":
        """Read a cursor; none, or one of an older version, is as good as nothing told."""
        if not cursor or not cursor.startswith("{"):
            return cls()
        said = json.loads(cursor)
        return cls(Mark(**said["mark"]), tuple(said["queue"]), said["digest"])

    def cursor(self) -> str:
        """Itself as a sensor's cursor."""
        return json.dumps(asdict(self))

    def queue_of(self, instance: dg.DagsterInstance) -> tuple[list[str], Mark]:
        """The launches to be told now, newest first, then those that are under way; and how far that is."""
        found, mark = launches_since(instance, self.mark)
        return list(dict.fromkeys([*found, *self.queue])), mark

    def after(self, mark: Mark, jobs: Sequence[Job], later: Sequence[str]) -> "Told":
        """What the tables tell once these jobs are written and ``later`` ones wait for the next time."""
        open_jobs = (job.job_id for job in jobs if job.status in ("pending", "running"))
        digest = hashlib.sha256(repr(jobs).encode()).hexdigest() if jobs else self.digest
        return Told(mark, (*later, *open_jobs), digest)


def tells_of_jobs(mart: Path) -> bool:
    """Whether the mart holds any job; one that was thrown away and made anew does not.

    Raises:
        StoreError: there is no mart, or it stays locked.
    """
    with reading(mart) as con:
        known = con.execute("SELECT estimated_size FROM duckdb_tables() WHERE table_name = 'jobs'").fetchall()
    return any(size for (size,) in known)


def write_jobs(con: duckdb.DuckDBPyConnection, jobs: Sequence[Job], config_path: str) -> None:
    """Replace the rows of these launches, inside the caller's transaction.

    Args:
        con: a connection to the mart.
        jobs: the launches as they stand.
        config_path: the config of the arena.
    """
    create_staging(con, "told_jobs", {"job_id": "VARCHAR"})
    insert_rows(con, "told_jobs", ("job_id",), [(job.job_id,) for job in jobs])
    con.execute(statement(_PACKAGE, "delete_jobs"))
    con.execute(statement(_PACKAGE, "delete_job_details"))
    insert_rows(con, "jobs", _JOBS, [_job_row(job, config_path) for job in jobs])
    insert_rows(con, "job_details", _DETAILS, [row for job in jobs for row in _detail_rows(job)])


def _job_row(job: Job, config_path: str) -> tuple[Any, ...]:
    return (
        job.job_id,
        config_path,
        job.status,
        json.dumps([date.isoformat() for date in job.dates]),
        json.dumps(list(job.models)),
        job.created_at,
        job.started_at,
        job.completed_at,
        job.total_duration_seconds,
        job.error,
    )


def _detail_rows(job: Job) -> list[tuple[Any, ...]]:
    return [
        (job.job_id, d.date, d.model, d.status, d.started_at, d.completed_at, d.duration_seconds, d.error)
        for d in job.details
    ]
