"""Launches: what a run belongs to. The only place that looks into Dagster's own records of runs and backfills.

A launch is one user action: a backfill with all its runs, or a run with its retries. Dagster may cut one
backfill of few days and many models into a run per day and start them in any order (dagster#23996), so a run has
to know which earlier days its own launch still owes.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import (
    BULK_ACTION_TERMINAL_STATUSES,
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)

from aitrader_pipeline.catalog import SESSIONS
from aitrader_pipeline.partitions import Axes, cell_of, partition_key_of
from aitrader_pipeline.trading.chains import Cell, Failure
from aitrader_pipeline.trading.record import SessionRecord

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
OPEN_BACKFILL = tuple(status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES)


def launch_of(run: dg.DagsterRun) -> str:
    """The id that all runs, and all retries, of one user action share."""
    return run.tags.get(BACKFILL_ID_TAG) or run.root_run_id or run.run_id


def launched_at(context: dg.AssetExecutionContext) -> dt.datetime:
    """When the user action was taken that the run belongs to."""
    if backfill_id := context.run.tags.get(BACKFILL_ID_TAG):
        backfill = context.instance.get_backfill(backfill_id)
        if backfill is not None:
            return dt.datetime.fromtimestamp(backfill.backfill_timestamp, dt.UTC)
    root = context.instance.get_run_record_by_id(context.run.root_run_id or context.run.run_id)
    if root is None:
        return dt.datetime.now(dt.UTC)
    created: dt.datetime = root.create_timestamp
    return created.astimezone(dt.UTC)


def cells_of_launch(context: dg.AssetExecutionContext) -> frozenset[Cell]:
    """Every cell that the user action asked for: an asset backfill, a job backfill, or just this run."""
    if backfill_id := context.run.tags.get(BACKFILL_ID_TAG):
        backfill = context.instance.get_backfill(backfill_id)
        if backfill is not None:
            return cells_of_backfill(backfill, context.asset_key)
    return frozenset(cell_of(key) for key in context.partition_keys)


def cells_of_backfill(backfill: PartitionBackfill, asset: dg.AssetKey) -> frozenset[Cell]:
    """The cells of an asset that a backfill asked for."""
    if backfill.partition_names:
        return frozenset(cell_of(key) for key in backfill.partition_names)
    data = backfill.asset_backfill_data
    if data is None or asset not in data.target_subset:
        return frozenset()
    return frozenset(cell_of(key) for key in data.target_subset.get_partitions_subset(asset).get_partition_keys())


def cells_of_run(run: dg.DagsterRun, axes: Axes) -> frozenset[Cell]:
    """The cells that a run was given; cells that have left the axes since are left out."""
    if key := run.tags.get(PARTITION_NAME_TAG):
        return frozenset({cell_of(key)})
    start, end = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if not start or not end:
        return frozenset()
    first, last = cell_of(start), cell_of(end)
    if first.model not in axes.models or last.model not in axes.models:
        return frozenset()
    models = axes.models[axes.models.index(first.model) : axes.models.index(last.model) + 1]
    dates = [date for date in axes.dates() if first.date <= date <= last.date]
    return frozenset(Cell(date, model) for date in dates for model in models)


def cells_under_way(instance: dg.DagsterInstance, axes: Axes, asset: dg.AssetKey) -> frozenset[Cell]:
    """Cells of an asset that some unfinished run or backfill has been asked for."""
    cells: set[Cell] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))):
        if run.asset_selection is None or asset in run.asset_selection:
            cells |= cells_of_run(run, axes)
    for backfill in instance.get_backfills(BulkActionsFilter(statuses=OPEN_BACKFILL)):
        cells |= cells_of_backfill(backfill, asset)
    return frozenset(cells)


def newest_event(instance: dg.DagsterInstance, asset: str) -> int:
    """The number of an asset's newest materialisation in the event log; 0 where there is none."""
    found = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    return found[0].storage_id if found else 0


def newest_events(instance: dg.DagsterInstance, asset: str) -> Mapping[str, int]:
    """The number of an asset's newest materialisation in the event log, per partition."""
    return instance.get_latest_storage_id_by_partition(
        dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


@dataclass(frozen=True)
class Report:
    """What a run said of a finished session: the launch that ran it, and when."""

    launch: str
    started_at: dt.datetime
    finished_at: dt.datetime


def report_metadata(record: SessionRecord) -> dict[str, Any]:
    """The part of a session's event that :func:`reports_of_run` reads."""
    return {
        "launch": dg.MetadataValue.text(record.launch),
        "started_at": dg.MetadataValue.timestamp(record.started_at),
        "finished_at": dg.MetadataValue.timestamp(record.finished_at),
    }


def reports_of_run(instance: dg.DagsterInstance, run_id: str) -> dict[Cell, Report]:
    """The sessions that a run has reported as finished, those included that it kept from another launch."""
    reports: dict[Cell, Report] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.get_dagster_event()
        if event.partition and event.asset_key == dg.AssetKey(SESSIONS):
            told: Mapping[str, Any] = event.step_materialization_data.materialization.metadata
            started, finished = (
                dt.datetime.fromtimestamp(told[moment].value, dt.UTC) for moment in ("started_at", "finished_at")
            )
            reports[cell_of(event.partition)] = Report(told["launch"].value, started, finished)
    return reports


def failure_event(failure: Failure) -> dg.AssetObservation:
    """What Dagster is told of a failed session at once, while the other models of the run go on."""
    return dg.AssetObservation(
        SESSIONS,
        partition=partition_key_of(failure.cell),
        metadata={"error": str(failure), "not_run": len(failure.not_run)},
    )


def failures_of_run(instance: dg.DagsterInstance, run_id: str) -> dict[Cell, str]:
    """The sessions that a run has told of as failed, and why; the later ones of their models it does not run."""
    failures: dict[Cell, str] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION):
        event = entry.get_dagster_event()
        observed = event.asset_observation_data.asset_observation
        if event.partition and event.asset_key == dg.AssetKey(SESSIONS) and "error" in observed.metadata:
            failures[cell_of(event.partition)] = str(observed.metadata["error"].value)
    return failures
