"""How old assets may get before the UI shows them as late."""

import datetime as dt
from itertools import pairwise

import dagster as dg

from aitrader_pipeline.config import Settings
from aitrader_pipeline.partitions import calendar_of


def session_freshness(settings: Settings) -> dg.FreshnessPolicy | None:
    """How old what follows every session may get: the exchange's longest pause, and some hours.

    An arena with a last date is done some day, and late never.
    """
    if settings.config.date_range.end_date is not None:
        return None
    calendar = calendar_of(settings)
    today = max(dt.datetime.now(dt.UTC).date(), calendar.first)
    closes = [calendar.close_at(date) for date in calendar.sessions(today, calendar.last)]
    pause = max((later - earlier for earlier, later in pairwise(closes)), default=dt.timedelta(days=7))
    grace = dt.timedelta(hours=settings.config.notifications.missed_after_hours)
    return dg.FreshnessPolicy.time_window(fail_window=pause + grace)
