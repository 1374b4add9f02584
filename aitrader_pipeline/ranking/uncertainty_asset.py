"""Asset of the room `ranking`: how sure the board is."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import MART_POOL, OWNERS, UNCERTAINTY, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.ranking.uncertainty import (
    inferred,
    read_returns,
    resamples_for,
    write_uncertainty,
)
from aitrader_pipeline.store.mart import reading, writing


def uncertainty_asset(settings: Settings, group: str) -> dg.AssetsDefinition:
    """The asset; in the group of the room."""
    metrics = settings.config.metrics

    @dg.asset(
        name=UNCERTAINTY,
        group_name=group,
        owners=OWNERS,
        kinds={"python", "duckdb"},
        pool=MART_POOL,
        deps=["portfolio_timeseries", "performance_metrics"],
        metadata=table_metadata(UNCERTAINTY),
        automation_condition=WHEN_UPSTREAM_CHANGED,
    )
    def uncertainty(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Confidence intervals, tie groups and the probability of being best, by a paired block bootstrap.

        Beside it `pairwise_comparison`: who beats whom, and which two can be told apart.
        """
        with reading(settings.mart_path) as con:
            returns = read_returns(con)
        found = inferred(returns, metrics)
        with writing(duckdb) as con:
            write_uncertainty(con, returns, found, metrics)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(returns.models),
                "resamples": resamples_for(returns, metrics),
                "mean_block_sessions": found.mean_block if found else None,
                "told_apart": "letters of `tie_group`: portfolios that share one cannot be told apart",
            }
        )

    return uncertainty
