"""Assets of the room `market` that no session reads: hourly bars, and a second source to compare with."""

import datetime as dt

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_MISSING
from aitrader_pipeline.catalog import COMPARED_PRICES, HOURLY_PRICES, MART_POOL, OWNERS, PRICES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.compared import save_compared
from aitrader_pipeline.market.hourly import read_hourly, save_hourly
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

GROUP = "market"
_LISTED = 50


def side_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Those of these assets that the config asks for."""
    market = settings.config.market
    assets = [_hourly_prices(settings)] if market.hourly_path is not None else []
    if market.compare_with is not None:
        assets.append(_compared_prices(settings))
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


def _compared_prices(settings: Settings) -> dg.AssetsDefinition:
    market = settings.config.market

    @dg.asset(
        name=COMPARED_PRICES,
        group_name=GROUP,
        # Its check compares the two.
        deps=[PRICES],
        owners=OWNERS,
        kinds={"duckdb"},
        pool=MART_POOL,
        metadata=table_metadata(COMPARED_PRICES),
        automation_condition=WHEN_MISSING,
    )
    def compared_prices(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """The bars of the second source, `market.compare_with`; a check of `prices` compares the two."""
        second = market.compare_with
        if second is None:
            raise dg.Failure("market.compare_with is not set any more: load the definitions again")
        batch = open_source(second.source, second.path).read(market.calendar)
        with writing(duckdb) as con:
            save_compared(con, batch, dt.datetime.now(dt.UTC))
        return dg.MaterializeResult(
            metadata={"dagster/row_count": len(batch), "source": batch.source, **_refused(context, batch)}
        )

    return compared_prices


def _refused(context: dg.AssetExecutionContext, batch: PriceBatch) -> dict[str, int | dg.MetadataValue]:
    for rejected in batch.rejected:
        context.log.warning(f"refused: {rejected}")
    listed = [str(rejected) for rejected in batch.rejected[:_LISTED]]
    return {"bars_refused": len(batch.rejected), "refused": dg.MetadataValue.json(listed)}
