"""Assets of the room `market` that no session reads: hourly bars, and a second source to compare with."""

import datetime as dt

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_MISSING
from aitrader_pipeline.catalog import COMPARED_PRICES, HOURLY_PRICES, MART_POOL, OWNERS, PRICES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.config_market import SourceConfig
from aitrader_pipeline.market.answers import note_kept
from aitrader_pipeline.market.arena_source import arena_vendor, raw_answers, read_compared
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.compared import save_compared
from aitrader_pipeline.market.coverage import missing_sessions
from aitrader_pipeline.market.fetch_assets import FetchConfig, OnFetch, ask, refuse_key, result_metadata, selected
from aitrader_pipeline.market.fetching import Fetched
from aitrader_pipeline.market.hourly import read_hourly, save_hourly
from aitrader_pipeline.market.wanted import wanted_bars
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

GROUP = "market"
_LISTED = 50


def side_assets(settings: Settings, on_fetch: OnFetch) -> list[dg.AssetsDefinition]:
    """Those of these assets that the config asks for; ``on_fetch`` is told of every call of a second vendor."""
    market = settings.config.market
    assets = [_hourly_prices(settings)] if market.hourly_path is not None else []
    if market.compare_with is not None:
        assets.append(_compared_prices(settings, market.compare_with, on_fetch))
    return assets


def _hourly_prices(settings: Settings) -> dg.AssetsDefinition:
    market = settings.config.market

    @dg.asset(
        name=HOURLY_PRICES,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        pool=MART_POOL,
        metadata=table_metadata(HOURLY_PRICES),
        automation_condition=WHEN_MISSING,
    )
    def hourly_prices(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Hourly bars within the trading hours of the exchange, for the snapshots within a day.

        Loading the same bars again changes nothing; bad bars are refused one by one and listed.
        """
        if market.hourly_path is None:
            raise dg.Failure("market.hourly_path is not set any more: load the definitions again")
        batch = read_hourly(market.hourly_path, market.calendar)
        with writing(duckdb) as con:
            changes = save_hourly(con, batch, dt.datetime.now(dt.UTC))
            rows = row_count(con, HOURLY_PRICES)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows,
                "bars_added": changes.added,
                "bars_restated": changes.restated,
                "bars_unchanged": changes.unchanged,
                **_refused(context, batch),
            }
        )

    return hourly_prices


def _compared_prices(settings: Settings, second: SourceConfig, on_fetch: OnFetch) -> dg.AssetsDefinition:
    @dg.asset(
        name=COMPARED_PRICES,
        group_name=GROUP,
        # Its check compares the two.
        deps=[PRICES],
        owners=OWNERS,
        kinds={"duckdb"},
        pool=f"prices_{second.source}" if second.is_vendor else MART_POOL,
        metadata=table_metadata(COMPARED_PRICES),
        # A vendor's calls are few: they are made when somebody asks for it.
        automation_condition=None if second.is_vendor else WHEN_MISSING,
    )
    def compared_prices(
        context: dg.AssetExecutionContext, config: FetchConfig, duckdb: DuckDBResource
    ) -> dg.MaterializeResult[None]:
        """The bars of the second source, `market.compare_with`; a check compares them with `prices`.

        Of a vendor, what is missing is fetched first.
        """
        fetched = _fetch_second(context, settings, second, config, duckdb, on_fetch) if second.is_vendor else None
        batch = read_compared(settings, second)
        with writing(duckdb) as con:
            save_compared(con, batch, dt.datetime.now(dt.UTC))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(batch),
                "source": batch.source,
                **_refused(context, batch),
                **(result_metadata(fetched) if fetched else {}),
            }
        )

    return compared_prices


def _fetch_second(
    context: dg.AssetExecutionContext,
    settings: Settings,
    second: SourceConfig,
    config: FetchConfig,
    mart: DuckDBResource,
    on_fetch: OnFetch,
) -> Fetched:
    """Ask a second vendor for the bars that it has not been asked for; for no corporate action."""
    vendor = arena_vendor(settings, to_ask=True, source=second)
    now = dt.datetime.now(dt.UTC)
    wanted, known = wanted_bars(settings.config, now), read_compared(settings, second)
    with writing(mart) as con:
        # The mart may be a new one, beside answers that are kept.
        note_kept(con, vendor.name, raw_answers(settings))
        save_compared(con, known, now)
        missing = missing_sessions(
            con, wanted, vendor.name, now, stored=COMPARED_PRICES, retry_failed=config.retry_failed
        )
    every = wanted.by_symbol()
    gaps = selected(every if config.again else missing, set(every), config, by_session=False)
    of_bars = {*gaps, *(date.isoformat() for dates in gaps.values() for date in dates)}
    fetched = Fetched([one for one in vendor.asks(gaps) if one.key in of_bars])
    ask(context, settings, mart, vendor, fetched, on_fetch)
    refuse_key(fetched)
    return fetched


def _refused(context: dg.AssetExecutionContext, batch: PriceBatch) -> dict[str, int | dg.MetadataValue]:
    for rejected in batch.rejected:
        context.log.warning(f"refused: {rejected}")
    listed = [str(rejected) for rejected in batch.rejected[:_LISTED]]
    return {"bars_refused": len(batch.rejected), "refused": dg.MetadataValue.json(listed)}
