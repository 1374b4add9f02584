"""What brings prices from a vendor by itself: a schedule after the close, and a sensor that fills gaps."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg

from aitrader_pipeline.catalog import CORPORATE_ACTIONS, COVERAGE, PRICES, RAW_PRICES
from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import StoreError
from aitrader_pipeline.market.coverage import missing_sessions
from aitrader_pipeline.market.wanted import wanted_bars
from aitrader_pipeline.partitions import calendar_of, range_tags, raw_price_partitions
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.trading.launches import UNFINISHED

_FETCHED = (RAW_PRICES, PRICES, CORPORATE_ACTIONS, COVERAGE)
# Vendors publish a session's bars up to some hours after its close; a gap once asked for is left alone as long.
_SETTLED = dt.timedelta(hours=6)


def fetching_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedule of an arena with a vendor; it spends the key's calls, so it waits until it is turned on."""
    if not settings.config.market.is_vendor:
        return []
    calendar = calendar_of(settings)

    # An hour and a half after the regular close, when vendors have the day's bars.
    @dg.schedule(
        target=dg.AssetSelection.assets(*_FETCHED),
        cron_schedule="30 17 * * 1-5",
        execution_timezone=calendar.time_zone,
    )
    def fetch_after_the_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Fetches the newest session's bars, and whatever else is missing."""
        today = context.scheduled_execution_time.date()
        end = settings.config.date_range.end_date
        if end is not None and today > end:
            return dg.SkipReason(f"the arena has ended on {end}")
        if not calendar.first <= today <= calendar.last or not calendar.is_session(today):
            return dg.SkipReason(f"{today} is no session of the arena")
        return _request(settings, str(today))

    return [fetch_after_the_close]


def fetching_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensor of an arena with a vendor; it waits until somebody turns it on."""
    if not settings.config.market.is_vendor:
        return []

    @dg.sensor(target=dg.AssetSelection.assets(*_FETCHED), minimum_interval_seconds=600)
    def fill_price_gaps(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Fetches what is missing of sessions that have been over for some hours; each gap once in these hours."""
        now = dt.datetime.now(dt.UTC)
        running = dg.RunsFilter(statuses=list(UNFINISHED))
        selections = [run.asset_selection or () for run in context.instance.get_runs(running)]
        if any(dg.AssetKey(RAW_PRICES) in selection for selection in selections):
            return dg.SkipReason("prices are being fetched")
        try:
            gaps = _gaps(settings, now)
        except StoreError as error:
            return dg.SkipReason(str(error))
        count = sum(map(len, gaps.values()))
        if not count:
            return dg.SkipReason("nothing is missing that the vendor has not been asked for")
        told = "".join(f"{symbol} {date}\n" for symbol, dates in gaps.items() for date in dates)
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        return _request(settings, f"{now.timestamp() // _SETTLED.total_seconds():.0f}/{digest}")

    return [fill_price_gaps]


def _gaps(settings: Settings, now: dt.datetime) -> Mapping[str, Sequence[dt.date]]:
    wanted = wanted_bars(settings.config, now - _SETTLED)
    if not settings.mart_path.exists():
        return wanted.by_symbol()
    with reading(settings.mart_path) as con:
        return missing_sessions(con, wanted, settings.config.market.source, now)


def _request(settings: Settings, run_key: str) -> dg.RunRequest:
    keys = raw_price_partitions(settings).get_partition_keys()
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[dg.AssetKey(asset) for asset in _FETCHED],
        tags=range_tags(keys[0], keys[-1]),
        # The key's calls are few: what has failed within a day is not asked for again.
        run_config={"ops": {RAW_PRICES: {"config": {"retry_failed": False}}}},
    )
