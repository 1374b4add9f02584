"""Asset of the room `market`: the daily bars that everything else reads."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_MISSING
from aitrader_pipeline.catalog import MART_POOL, OWNERS, PRICES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import content_hash, read_history, save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.store.mart import writing

GROUP = "market"
# One version for ever: to Dagster a new one would outdate every session and book of the past. What a restated bar
# touches is told of each model-day, by `session_inputs` and by the books' own figures.
PRICES_VERSION = "current"
_LISTED = 50

# Told of the bars as they are now and of those, dates by symbol, that may be others than they were; counts the
# sessions that saw these.
OnRevised = Callable[[dg.AssetExecutionContext, PriceHistory, Mapping[str, Sequence[dt.date]]], int]


def market_assets(settings: Settings, on_revised: OnRevised) -> list[dg.AssetsDefinition]:
    """The assets of this room; ``on_revised`` is told of bars that some session may have seen otherwise."""
    market = settings.config.market

    @dg.asset(
        name=PRICES,
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
            touched = on_revised(context, read_history(con), changes.revised) if changes.revised else 0
            count, symbols, first, last = con.execute(
                "SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM prices"
            ).fetchall()[0]
        for rejected in batch.rejected:
            context.log.warning(f"refused: {rejected}")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(PRICES_VERSION),
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
                "sessions_outdated": touched,
                "bars_refused": len(batch.rejected),
                "refused": dg.MetadataValue.json([str(r) for r in batch.rejected[:_LISTED]]),
                "restated": dg.MetadataValue.json([f"{r.symbol} {r.date}" for r in changes.restated[:_LISTED]]),
            },
        )

    return [prices]
