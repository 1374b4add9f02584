"""Asset of the room `ranking`: who stood where at the close of every session, and who stands where now."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import MART_POOL, OWNERS, STANDINGS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.ranking.standings import rebuild_standings
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

_DESCRIPTIONS = {
    "leaderboard_snapshots": "Ranks at the close of every session, over the session, its week, its month and all.",
    "current_standings": "Every portfolio at the close of its newest scored session, over all of them.",
}


def standings_asset(settings: Settings, group: str) -> dg.AssetsDefinition:
    """The asset; in the group of the room."""
    calendar, metrics = settings.config.market.calendar, settings.config.metrics

    @dg.multi_asset(
        name="standings",
        specs=[
            dg.AssetSpec(
                table,
                description=_DESCRIPTIONS[table],
                group_name=group,
                owners=OWNERS,
                kinds={"duckdb", "sql"},
                # The leaderboard for its sake: where nobody is ranked, nobody is ranked here.
                deps=["portfolio_timeseries", "positions", "holdings", "trade_log", "leaderboard"],
                metadata=table_metadata(table),
                automation_condition=WHEN_UPSTREAM_CHANGED,
            )
            for table in STANDINGS
        ],
        pool=MART_POOL,
    )
    def standings(duckdb: DuckDBResource) -> Iterator[dg.MaterializeResult[None]]:
        with writing(duckdb) as con:
            rebuild_standings(con, calendar=calendar, risk_free_rate=metrics.risk_free_rate)
            rows = {table: row_count(con, table) for table in STANDINGS}
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})

    return standings
