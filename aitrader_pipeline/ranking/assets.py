"""Asset of the room `ranking`: the leaderboard."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import MART_POOL, OWNERS, table_metadata
from aitrader_pipeline.performance.assets import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.ranking.leaderboard import rebuild_leaderboard
from aitrader_pipeline.store.mart import writing

GROUP = "ranking"


def ranking_assets() -> list[dg.AssetsDefinition]:
    """The assets of this room."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        pool=MART_POOL,
        deps=["performance_metrics"],
        metadata=table_metadata("leaderboard"),
        automation_condition=WHEN_UPSTREAM_CHANGED,
    )
    def leaderboard(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Models, baselines and the benchmark by return, then Sharpe, then drawdown; ties share a rank."""
        with writing(duckdb) as con:
            standings = rebuild_leaderboard(con)
        table = "\n".join(
            f"| {s.rank} | {s.model} | {s.kind} | {s.portfolio_value:,.2f} | {s.cumulative_return_pct:.2f} % |"
            for s in standings
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(standings),
                "standings": dg.MetadataValue.md(f"| rank | model | kind | value | return |\n|-|-|-|-:|-:|\n{table}"),
            }
        )

    return [leaderboard]
