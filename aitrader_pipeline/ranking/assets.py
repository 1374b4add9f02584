"""Asset of the room `ranking`: the leaderboard."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.automation.freshness import session_freshness
from aitrader_pipeline.catalog import MART_POOL, OWNERS, UNCERTAINTY, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.money import cents, usd
from aitrader_pipeline.performance.identities import imbalance
from aitrader_pipeline.ranking.competitors import save_competitors
from aitrader_pipeline.ranking.decisions_asset import decisions_asset
from aitrader_pipeline.ranking.leaderboard import Standing, likely_return, rebuild_leaderboard
from aitrader_pipeline.ranking.standings_asset import standings_asset
from aitrader_pipeline.ranking.trades_asset import trades_asset
from aitrader_pipeline.ranking.uncertainty_asset import uncertainty_asset
from aitrader_pipeline.ranking.yardsticks_asset import yardsticks_asset
from aitrader_pipeline.store.mart import writing

GROUP = "ranking"
_TABLE_HEAD = (
    "| rank | model | kind | value | return | likely return | tie group | inference cost | net return |\n"
    "|-|-|-|-:|-:|-:|-|-:|-:|"
)


def ranking_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets of this room."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        pool=MART_POOL,
        # The trades for the sake of their check: nobody is ranked whose trades do not add up.
        deps=["performance_metrics", "reasoning_logs", "trade_log", UNCERTAINTY],
        metadata=table_metadata("leaderboard"),
        automation_condition=WHEN_UPSTREAM_CHANGED,
        freshness_policy=session_freshness(settings),
    )
    def leaderboard(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Models, baselines and the benchmark by return, then Sharpe, then drawdown; ties share a rank."""
        with writing(duckdb) as con:
            if reason := imbalance(con):
                raise dg.Failure(reason)
            save_competitors(con, settings.config)
            standings = rebuild_leaderboard(con)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(standings),
                "standings": dg.MetadataValue.md("\n".join([_TABLE_HEAD, *map(_table_row, standings)])),
            }
        )

    return [
        trades_asset(settings, GROUP),
        uncertainty_asset(settings, GROUP),
        leaderboard,
        standings_asset(settings, GROUP),
        yardsticks_asset(settings, GROUP),
        decisions_asset(settings, GROUP),
    ]


def _table_row(standing: Standing) -> str:
    cost, net = standing.inference_cost_usd, standing.net_return_pct
    cells = [
        str(standing.rank),
        standing.model,
        standing.kind,
        cents(standing.portfolio_value),
        f"{cents(standing.return_pct)} %",
        likely_return(standing.return_low_pct, standing.return_high_pct) or "-",
        standing.tie_group or standing.note or "-",
        "-" if cost is None else f"{usd(cost)} USD",
        "-" if net is None else f"{cents(net)} %",
    ]
    return f"| {' | '.join(cells)} |"
