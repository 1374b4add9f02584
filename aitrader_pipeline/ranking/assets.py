"""Asset of the room `ranking`: the leaderboard."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import MART_POOL, OWNERS, table_metadata
from aitrader_pipeline.money import cents
from aitrader_pipeline.performance.identities import IDENTITIES, violations
from aitrader_pipeline.ranking.leaderboard import rebuild_leaderboard
from aitrader_pipeline.store.mart import writing

GROUP = "ranking"
_TABLE_HEAD = "| rank | model | kind | value | return |\n|-|-|-|-:|-:|"


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
            broken = [problem for i in IDENTITIES if i.blocks for problem in violations(con, i)]
            if broken:
                raise dg.Failure(f"nobody is ranked while the books do not balance: {'; '.join(broken[:10])}")
            standings = rebuild_leaderboard(con)
        table = "\n".join(
            f"| {s.rank} | {s.model} | {s.kind} | {cents(s.portfolio_value)} | {cents(s.return_pct)} % |"
            for s in standings
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(standings),
                "standings": dg.MetadataValue.md(f"{_TABLE_HEAD}\n{table}"),
            }
        )

    return [leaderboard]
