"""Sensors: what watches the arena and launches what is missing."""

import hashlib
from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.abandoned import end_abandoned_runs
from aitrader_pipeline.automation.backlog import Backlog, backlog_of, unscored_sessions
from aitrader_pipeline.automation.failures import failure_message
from aitrader_pipeline.automation.job_tables import tells_of_jobs, write_jobs
from aitrader_pipeline.automation.jobs import jobs_to_record
from aitrader_pipeline.automation.notifications import Notification, notify
from aitrader_pipeline.catalog import BOARDS, BOOKS, SESSIONS
from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import StoreError
from aitrader_pipeline.partitions import Axes, Block, blocks
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.trading.assets import sessions_config
from aitrader_pipeline.trading.launches import launch_of


def arena_sensors(settings: Settings, axes: Axes) -> list[dg.SensorDefinition]:
    """The sensors of an arena; only ``catch_up`` costs money, so it waits until somebody turns it on."""
    return [
        dg.AutomationConditionSensorDefinition(
            "automation",
            target=dg.AssetSelection.groups("market", "performance", "ranking"),
            default_status=dg.DefaultSensorStatus.RUNNING,
        ),
        _catch_up(settings, axes),
        _score_finished_sessions(axes),
        _record_jobs(settings, axes),
        _notify_of_failures(settings),
    ]


def _catch_up(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(target=dg.AssetSelection.all(), minimum_interval_seconds=60)
    def catch_up(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Launches what the enabled models owe up to the newest session with prices, gaps included, each once."""
        try:
            backlog = backlog_of(settings, axes, context.instance)
        except StoreError as error:
            yield dg.SkipReason(str(error))
            return
        if not backlog.due:
            yield dg.SkipReason(nothing_due(backlog))
        for block in blocks(backlog.due, axes.dates(), axes.models):
            yield session_request(block, run_key=f"{backlog.newest}/{block}")

    return catch_up


def _score_finished_sessions(axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(
        target=dg.AssetSelection.assets(*BOOKS),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def score_finished_sessions(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Scores sessions that stand without books, as after a run in which another model failed."""
        unscored = unscored_sessions(axes, context.instance)
        newest = context.instance.get_latest_materialization_event(dg.AssetKey(SESSIONS))
        if not unscored or newest is None:
            yield dg.SkipReason("every finished session has its books")
            return
        for block in blocks(unscored, axes.dates(), axes.models):
            yield dg.RunRequest(
                # The time of the newest session tells one round over the same cells from the next.
                run_key=f"{block}/{newest.timestamp:.0f}",
                asset_selection=[dg.AssetKey(table) for table in BOOKS],
                tags=block.tags(),
            )

    return score_finished_sessions


def _record_jobs(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=10)
    def record_jobs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Keeps the tables `jobs` and `job_details` as Dagster's own records have it."""
        # Nobody else does while no command is given, and what they were asked for would stay under way.
        end_abandoned_runs(context.instance)
        told, *unfinished = (context.cursor or "").split() or [""]
        jobs = jobs_to_record(settings, axes, context.instance, unfinished)
        digest = hashlib.sha256(repr(jobs).encode()).hexdigest()
        try:
            if digest == told and (not jobs or tells_of_jobs(settings.mart_path)):
                return dg.SkipReason("nothing has changed")
            if jobs:
                with writing(DuckDBResource(database=str(settings.mart_path))) as con:
                    write_jobs(con, jobs, settings.config_path.name)
        except StoreError as error:
            return dg.SkipReason(str(error))
        under_way = (job.job_id for job in jobs if job.status in ("pending", "running"))
        context.update_cursor(" ".join((digest, *under_way)))
        return dg.SkipReason(f"told of {len(jobs)} launches")

    return record_jobs


def _notify_of_failures(settings: Settings) -> dg.SensorDefinition:
    @dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
    def notify_of_failures(context: dg.RunFailureSensorContext) -> None:
        """Tells of a failed run: in the log, and to the webhook of the config."""
        run = context.dagster_run
        messages = [failure_message(event) for event in context.get_step_failure_events()]
        notify(
            settings.config.notifications,
            Notification(launch_of(run), run.run_id, tuple(messages) or (context.failure_event.message or "",)),
            log=context.log.error,
        )

    return notify_of_failures


def nothing_due(backlog: Backlog) -> str:
    """Why there is nothing to launch."""
    if backlog.newest is None:
        return "no prices are loaded for any session of the arena: materialise prices"
    if backlog.under_way:
        return f"{len(backlog.under_way)} missing model-days are already being run"
    return f"up to date: {backlog.newest}"


def session_request(block: Block, run_key: str, *, with_prices: bool = False) -> dg.RunRequest:
    """A run of a block's sessions with everything that follows from them."""
    assets = (*(("prices",) if with_prices else ()), SESSIONS, *BOOKS, *BOARDS)
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        tags=block.tags(),
        # A catch-up leaves finished model-days as they are; a materialisation by hand replaces them.
        run_config=sessions_config(keep_finished=True),
    )
