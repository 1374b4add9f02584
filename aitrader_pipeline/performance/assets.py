"""Assets of the room `performance`: the books of each model-day, and the series and metrics over all of them."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import MART_POOL, OWNERS, SESSIONS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.partitions import Axes
from aitrader_pipeline.performance.books import write_books
from aitrader_pipeline.performance.picture import as_markdown, equity_curves
from aitrader_pipeline.performance.series import Benchmarks, rebuild_metrics, rebuild_timeseries, return_curves
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count
from aitrader_pipeline.trading.assets import records_of

GROUP = "performance"


def performance_assets(settings: Settings, axes: Axes) -> list[dg.AssetsDefinition]:
    """The assets of this room."""

    def spec(table: str, description: str, deps: list[str]) -> dg.AssetSpec:
        return dg.AssetSpec(
            table,
            description=description,
            group_name=GROUP,
            owners=OWNERS,
            kinds={"duckdb", "sql"},
            deps=deps,
            metadata=table_metadata(table),
            partitions_def=axes.grid,
        )

    @dg.multi_asset(
        name="books",
        specs=[
            spec(
                "positions",
                "Every fill, with the cash and the portfolio's value right after it.",
                [SESSIONS, "prices"],
            ),
            spec("holdings", "Shares held after every action.", [SESSIONS]),
            spec(
                "daily_pnl",
                "The day's profit and return, marked at the close; NULL until the close is known.",
                ["positions", "holdings", "prices"],
            ),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=MART_POOL,
    )
    def books(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> Iterator[dg.MaterializeResult[None]]:
        records = records_of(settings, context)
        with writing(duckdb) as con:
            write_books(con, records)
            rows = {table: row_count(con, table) for table in ("positions", "holdings", "daily_pnl")}
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        pool=MART_POOL,
        # The positions for the sake of their checks: nothing is made of books that do not balance.
        deps=["positions", "daily_pnl", "prices", "corporate_actions"],
        metadata=table_metadata("portfolio_timeseries"),
        automation_condition=WHEN_UPSTREAM_CHANGED,
    )
    def portfolio_timeseries(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Value, return and drawdown of every model on every scored session, and of the benchmarks."""
        agent = settings.config.agent_config
        benchmarks = Benchmarks(agent.initial_cash, settings.config.market.benchmark, agent.members)
        with writing(duckdb) as con:
            rows = rebuild_timeseries(con, benchmarks)
            picture = equity_curves(return_curves(con))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows,
                "curves": dg.MetadataValue.md(as_markdown(picture, "Return of every portfolio")),
            }
        )

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        pool=MART_POOL,
        deps=[portfolio_timeseries],
        metadata=table_metadata("performance_metrics"),
        automation_condition=WHEN_UPSTREAM_CHANGED,
    )
    def performance_metrics(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Return, volatility, Sharpe, Sortino, drawdown and more of every model, over all its sessions."""
        with writing(duckdb) as con:
            rows = rebuild_metrics(con, risk_free_rate=settings.config.metrics.risk_free_rate)
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return [books, portfolio_timeseries, performance_metrics]
