"""Asset of the room `market`: the daily bars that everything else reads."""

import datetime as dt

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_MISSING
from aitrader_pipeline.catalog import MART_POOL, OWNERS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import content_hash, save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.store.mart import writing

GROUP = "market"
_LISTED = 50


def market_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets of this room."""
    market = settings.config.market

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        pool=MART_POOL,
        metadata=table_metadata("prices"),
        automation_condition=WHEN_MISSING,
    )
    def prices(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Raw daily bars, as traded, of every symbol that the configured source has.

        Loading the same bars again changes nothing; bad bars are refused one by one and listed.
        """
        batch = open_source(market.source, market.path).read(market.calendar)
        with writing(duckdb) as con:
            changes = save_prices(con, batch, dt.datetime.now(dt.UTC))
            digest = content_hash(con)
            count, symbols, first, last = con.execute(
                "SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM prices"
            ).fetchall()[0]
        for rejected in batch.rejected:
            context.log.warning(f"refused: {rejected}")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(digest),
            metadata={
                "dagster/row_count": count,
                "symbols": symbols,
                "first_session": str(first),
                "newest_session": str(last),
                "source": market.source,
                "content_hash": digest,
                "bars_added": changes.added,
                "bars_completed": changes.completed,
                "bars_restated": len(changes.restated),
                "bars_unchanged": changes.unchanged,
                "bars_refused": len(batch.rejected),
                "refused": dg.MetadataValue.json([str(r) for r in batch.rejected[:_LISTED]]),
                "restated": dg.MetadataValue.json([f"{r.symbol} {r.date}" for r in changes.restated[:_LISTED]]),
            },
        )

    return [prices]
