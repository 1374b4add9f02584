"""Schedules: what the clock launches."""

import datetime as dt

import dagster as dg

from aitrader_pipeline.automation.backlog import missing_records
from aitrader_pipeline.automation.sensors import launched_assets, session_request
from aitrader_pipeline.config import Settings
from aitrader_pipeline.partitions import Axes, Block, calendar_of

_AFTER_THE_CLOSE = dt.timedelta(minutes=30)


def arena_schedules(settings: Settings, axes: Axes) -> list[dg.ScheduleDefinition]:
    """The schedule of an arena; it costs money, so it waits until somebody turns it on."""
    calendar = calendar_of(settings)
    # After the regular close; on a half-day the market has long been closed by then.
    at = dt.datetime.combine(dt.date.min, calendar.regular_close) + _AFTER_THE_CLOSE

    @dg.schedule(
        target=launched_assets(with_prices=True),
        cron_schedule=f"{at.minute} {at.hour} * * 1-5",
        execution_timezone=calendar.time_zone,
    )
    def after_the_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Loads the session's prices, then runs what the enabled models still owe through today."""
        today = context.scheduled_execution_time.date()
        dates = [date for date in axes.dates() if date <= today]
        if not dates or dates[-1] != today:
            return dg.SkipReason(f"{today} is no session of the arena")
        missing = missing_records(settings, dates)
        if not missing:
            return dg.SkipReason(f"up to date: {today}")
        models = tuple(model.signature for model in settings.config.enabled_models)
        block = Block(min(cell.date for cell in missing), today, models)
        return session_request(block, run_key=str(today), with_prices=True)

    return [after_the_close]
