"""Sensors: what watches the arena and launches what is missing."""

import datetime as dt
import os
from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.abandoned import end_abandoned_runs
from aitrader_pipeline.automation.backlog import (
    Backlog,
    backlog_of,
    missed_sessions,
    misvalued_sessions,
    unscored_sessions,
)
from aitrader_pipeline.automation.failures import failure_message
from aitrader_pipeline.automation.job_tables import Told, tells_of_jobs, write_jobs
from aitrader_pipeline.automation.jobs import jobs_within
from aitrader_pipeline.automation.notifications import FailedRun, MissedSession, notify
from aitrader_pipeline.automation.reloading import (
    UI_URL_VARIABLE,
    fingerprint,
    reload_definitions,
    settings_now,
    what_has_changed,
)
from aitrader_pipeline.catalog import BOARDS, BOOKS, CORPORATE_ACTIONS, PRICES, SESSIONS
from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import ArenaError, StoreError
from aitrader_pipeline.partitions import Axes, Block, blocks
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.trading.assets import sessions_config
from aitrader_pipeline.trading.launches import launch_of, newest_event

# A tick has a minute; of a long history it tells in several.
_TELL_SECONDS = 20.0
# What a launch materialises; prices, where it is to load them, before it.
_LAUNCHED = (SESSIONS, *BOOKS, *BOARDS)
_LOADED = (PRICES, CORPORATE_ACTIONS)
_RELOAD_PAGE = "Deployment > Code locations of the UI"


def arena_sensors(settings: Settings, axes: Axes) -> list[dg.SensorDefinition]:
    """The sensors of an arena; only ``catch_up`` costs money, so it waits until somebody turns it on."""
    return [
        dg.AutomationConditionSensorDefinition(
            "automation",
            target=dg.AssetSelection.groups("market", "performance", "ranking"),
            default_status=dg.DefaultSensorStatus.RUNNING,
        ),
        _catch_up(settings, axes),
        _score_finished_sessions(settings, axes),
        _record_jobs(settings, axes),
        _follow_the_config(settings, axes),
        _notify_of_failures(settings),
        _notify_of_missed_sessions(settings, axes),
    ]


def _catch_up(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(target=launched_assets(), minimum_interval_seconds=60)
    def catch_up(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Launches what the enabled models owe up to the newest session with prices, gaps included, each once."""
        try:
            backlog = backlog_of(settings, axes, context.instance, dt.datetime.now(dt.UTC))
        except StoreError as error:
            yield dg.SkipReason(str(error))
            return
        if not backlog.due:
            yield dg.SkipReason(nothing_due(backlog))
        for block in blocks(backlog.due, axes.dates(), axes.models):
            yield session_request(block, run_key=f"{backlog.newest}/{block}")

    return catch_up


def _score_finished_sessions(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(
        target=dg.AssetSelection.assets(*BOOKS),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def score_finished_sessions(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Scores what has no books, as after a run in which another model failed, and what prices have changed."""
        unscored = unscored_sessions(axes, context.instance)
        loaded = newest_event(context.instance, PRICES)
        if loaded > int(context.cursor or 0):
            try:
                unscored |= misvalued_sessions(settings, axes, context.instance)
            except StoreError as error:
                yield dg.SkipReason(str(error))
                return
            context.update_cursor(str(loaded))
        if not unscored:
            yield dg.SkipReason("every finished session has its books")
            return
        # The newest session and prices tell one round over the same cells from the next.
        round_of = f"{newest_event(context.instance, SESSIONS)}/{loaded}"
        for block in blocks(unscored, axes.dates(), axes.models):
            yield dg.RunRequest(
                run_key=f"{block}/{round_of}",
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
        try:
            told = Told.of_cursor(context.cursor)
            if told.digest and not tells_of_jobs(settings.mart_path):
                told = Told()
            queue, mark = told.queue_of(context.instance)
            jobs, later = jobs_within(_TELL_SECONDS, settings, axes, context.instance, queue)
            now = told.after(mark, jobs, later)
            changed = now.digest != told.digest
            if changed:
                with writing(DuckDBResource(database=str(settings.mart_path))) as con:
                    write_jobs(con, jobs, settings.config_path.name)
        except StoreError as error:
            return dg.SkipReason(str(error))
        context.update_cursor(now.cursor())
        return dg.SkipReason(f"told of {len(jobs)} launches" if changed else "nothing has changed")

    return record_jobs


def _follow_the_config(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
    def follow_the_config(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Reloads the definitions when the config has changed, or a model was imported."""
        try:
            now = settings_now(settings)
            changes = what_has_changed(settings, axes.models, now)
            if changes is None:
                return dg.SkipReason("the config is as it was loaded")
            url = os.environ.get(UI_URL_VARIABLE)
            if not url:
                return dg.SkipReason(f"the config has changed ({changes}): reload it on the page {_RELOAD_PAGE}")
            asked_for = fingerprint(now)
            if context.cursor == asked_for:
                return dg.SkipReason(
                    f"the definitions are being reloaded ({changes}), else do it on {_RELOAD_PAGE}"
                )
            reload_definitions(url)
        except ArenaError as error:
            return dg.SkipReason(str(error))
        context.update_cursor(asked_for)
        return dg.SkipReason(f"the definitions were reloaded ({changes})")

    return follow_the_config


def _notify_of_failures(settings: Settings) -> dg.SensorDefinition:
    @dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=15)
    def notify_of_failures(context: dg.RunFailureSensorContext) -> None:
        """Tells of a failed run: in the log, and to the webhook of the config."""
        run = context.dagster_run
        messages = [failure_message(event) for event in context.get_step_failure_events()]
        notify(
            settings.config.notifications,
            FailedRun(launch_of(run), run.run_id, tuple(messages) or (context.failure_event.message or "",)),
            log=context.log.error,
        )

    return notify_of_failures


def _notify_of_missed_sessions(settings: Settings, axes: Axes) -> dg.SensorDefinition:
    @dg.sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=300)
    def notify_of_missed_sessions(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Tells, once a session, which enabled models have not traded it hours after its close."""
        if settings.config.date_range.end_date is not None:
            return dg.SkipReason("the arena has a last date: nobody waits for its next session")
        now = dt.datetime.now(dt.UTC)
        # What was before the first tick is no news.
        if context.cursor is None:
            context.update_cursor(now.date().isoformat())
            return dg.SkipReason(f"sessions after {now.date()} are watched")
        missed = missed_sessions(settings, axes, dt.date.fromisoformat(context.cursor), now)
        for date, models in missed.items():
            if models:
                notify(settings.config.notifications, MissedSession(date, models), log=context.log.error)
        if missed:
            context.update_cursor(max(missed).isoformat())
        told = [str(date) for date, models in missed.items() if models]
        return dg.SkipReason(f"told of {', '.join(told)}" if told else "no session was missed")

    return notify_of_missed_sessions


def nothing_due(backlog: Backlog) -> str:
    """Why there is nothing to launch."""
    if backlog.newest is None:
        return "no prices are loaded for any session of the arena: materialise prices"
    if backlog.under_way:
        return f"{len(backlog.under_way)} missing model-days are already being run"
    unpriced = backlog.unpriced
    if not unpriced:
        return f"up to date: {backlog.newest}"
    span = f"{unpriced[0]} to {unpriced[-1]}" if len(unpriced) > 1 else str(unpriced[0])
    return f"up to date: {backlog.newest}; no prices for {span} yet"


def launched_assets(*, with_prices: bool = False) -> dg.AssetSelection:
    """What :func:`session_request` asks for."""
    return dg.AssetSelection.assets(*(_LOADED if with_prices else ()), *_LAUNCHED)


def session_request(block: Block, run_key: str, *, with_prices: bool = False) -> dg.RunRequest:
    """A run of a block's sessions with everything that follows from them."""
    assets = (*(_LOADED if with_prices else ()), *_LAUNCHED)
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        tags=block.tags(),
        # A catch-up leaves finished model-days as they are; a materialisation by hand replaces them.
        run_config=sessions_config(keep_finished=True),
    )
