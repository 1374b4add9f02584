"""Assets of the room `market`: the daily bars and corporate actions that everything else reads."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_MISSING, WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.automation.freshness import session_freshness
from aitrader_pipeline.catalog import CORPORATE_ACTIONS, MART_POOL, OWNERS, PRICES, RAW_PRICES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.actions_table import actions_hash, save_actions
from aitrader_pipeline.market.answers import note_read
from aitrader_pipeline.market.arena_source import read_actions, read_bars
from aitrader_pipeline.market.prices import content_hash, save_prices
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

GROUP = "market"
# One version for ever: to Dagster a new one would outdate every session and book of the past. What a restated bar
# touches is told of each model-day, by `session_inputs` and by the books' own figures.
PRICES_VERSION = "current"
_LISTED = 50

# Told of what is stored now and of what, dates by symbol, may be otherwise than it was; counts the sessions that
# were given that.
OnRevised = Callable[[dg.AssetExecutionContext, duckdb.DuckDBPyConnection, Mapping[str, Sequence[dt.date]]], int]


def market_assets(
    settings: Settings, on_revised_prices: OnRevised, on_revised_actions: OnRevised
) -> list[dg.AssetsDefinition]:
    """The assets of this room; the callbacks are told of what some session may have been given otherwise."""
    market = settings.config.market
    fetched = [RAW_PRICES] if market.is_vendor else []
    condition = WHEN_UPSTREAM_CHANGED if market.is_vendor else WHEN_MISSING

    @dg.asset(
        name=PRICES,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        pool=MART_POOL,
        deps=fetched,
        metadata=table_metadata("prices"),
        automation_condition=condition,
        freshness_policy=session_freshness(settings),
    )
    def prices(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Raw daily bars, as traded, of every symbol that the configured source has.

        Loading the same bars again changes nothing; bad bars are refused one by one and listed.
        """
        batch, answers = read_bars(settings, duckdb)
        now = dt.datetime.now(dt.UTC)
        with writing(duckdb) as con:
            changes = save_prices(con, batch, now)
            note_read(con, "bars", answers, now)
            digest = content_hash(con)
            touched = on_revised_prices(context, con, changes.revised) if changes.revised else 0
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

    @dg.asset(
        name=CORPORATE_ACTIONS,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        pool=MART_POOL,
        # What they make of the sessions that stand can only be told with prices.
        deps=[PRICES, RAW_PRICES] if market.is_vendor else [PRICES],
        metadata=table_metadata("corporate_actions"),
        automation_condition=condition,
    )
    def corporate_actions(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Splits, dividends, symbol changes and delistings, from the config's file or with the source.

        Loading the same actions again changes nothing; bad ones are refused one by one and listed.
        """
        batch, answers, is_whole = read_actions(settings, duckdb)
        now = dt.datetime.now(dt.UTC)
        with writing(duckdb) as con:
            changes = save_actions(con, batch, now, is_whole=is_whole, adjusted=market.adjusted)
            note_read(con, "actions", answers, now)
            touched = on_revised_actions(context, con, changes.revised) if changes.revised else 0
            digest, rows = actions_hash(con), row_count(con, "corporate_actions")
        for rejected in batch.rejected:
            context.log.warning(f"refused: {rejected}")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(PRICES_VERSION),
            metadata={
                "dagster/row_count": rows,
                "source": batch.source,
                "content_hash": digest,
                "actions_added": len(changes.added),
                "actions_restated": len(changes.restated),
                "actions_unchanged": changes.unchanged,
                "sessions_outdated": touched,
                "actions_refused": len(batch.rejected),
                "refused": dg.MetadataValue.json([str(r) for r in batch.rejected[:_LISTED]]),
                "restated": dg.MetadataValue.json([str(r) for r in changes.restated[:_LISTED]]),
            },
        )

    return [prices, corporate_actions]
