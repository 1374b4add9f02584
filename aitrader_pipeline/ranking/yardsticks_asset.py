"""Assets of the room `ranking`: what a standing is measured against."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import MART_POOL, OWNERS, YARDSTICKS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.ranking.contamination import rebuild_contamination
from aitrader_pipeline.ranking.null_cloud import rebuild_null_standing
from aitrader_pipeline.ranking.replicas import rebuild_replica_groups
from aitrader_pipeline.store.mart import writing

_DESCRIPTIONS = {
    "replica_groups": "Every competitor, a model's replicas as one: mean, spread, what of the variance is luck.",
    "null_standing": "Where everyone stands among traders that draw their orders at random, on the same sessions.",
    "contamination": "Every metric of a model before and after the day up to which its training data reaches.",
}
_REBUILDS = {
    "replica_groups": rebuild_replica_groups,
    "null_standing": rebuild_null_standing,
    "contamination": rebuild_contamination,
}


def yardsticks_asset(settings: Settings, group: str) -> dg.AssetsDefinition:
    """The assets, one step for all of them; in the group of the room."""

    @dg.multi_asset(
        name="yardsticks",
        specs=[
            dg.AssetSpec(
                table,
                description=_DESCRIPTIONS[table],
                group_name=group,
                owners=OWNERS,
                kinds={"duckdb", "sql"},
                # The leaderboard refuses books that do not balance, and knows what the config says of everyone.
                deps=["portfolio_timeseries", "performance_metrics", "leaderboard"],
                metadata=table_metadata(table),
                automation_condition=WHEN_UPSTREAM_CHANGED,
            )
            for table in YARDSTICKS
        ],
        pool=MART_POOL,
    )
    def yardsticks(duckdb: DuckDBResource) -> Iterator[dg.MaterializeResult[None]]:
        rate = settings.config.metrics.risk_free_rate
        with writing(duckdb) as con:
            rows = {table: _REBUILDS[table](con, risk_free_rate=rate) for table in YARDSTICKS}
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})

    return yardsticks
