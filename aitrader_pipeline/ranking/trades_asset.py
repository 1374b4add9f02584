"""Asset of the room `ranking`: closed trades and what they are summed up in, made in one step."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import HOURLY_PRICES, MART_POOL, OWNERS, SUMMARIES, TRADES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.performance.checks import check_result
from aitrader_pipeline.performance.identities import Identity, imbalance, violations
from aitrader_pipeline.ranking.trades import rebuild_summaries, rebuild_trades
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

_PACKAGE = "aitrader_pipeline.ranking"
TRADE_IDENTITIES = (
    Identity(
        "trades_balance",
        "trade_log",
        "Open lots are what is held; realized profit less their cost = change of cash + costs - dividends.",
        package=_PACKAGE,
    ),
    Identity(
        "open_lots_marked",
        "open_lots",
        "Open lots are worth what the newest scored session closed with; a close may have been restated since.",
        ranks=False,
        blocks=False,
        package=_PACKAGE,
    ),
)
_DESCRIPTIONS = {
    "trade_log": "Every closed trade: a row for each lot that a sell closed, the oldest first.",
    "open_lots": "What is left of the lots that are open, with its unrealized profit.",
    "hourly_snapshots": "What every portfolio was worth at each hourly bar, else at the open and the close.",
    "daily_summaries": "Opening, closing, highest and lowest equity of every scored session, risk to date.",
    "weekly_summaries": "Return, trades and risk of every portfolio in every ISO week.",
    "monthly_summaries": "Return, trades and risk of every portfolio in every calendar month.",
}


def trades_asset(settings: Settings, group: str) -> dg.AssetsDefinition:
    """The asset; in the group of the room."""
    calendar, metrics = settings.config.market.calendar, settings.config.metrics
    books = ["portfolio_timeseries", "positions", "holdings", "daily_pnl"]
    hourly = [HOURLY_PRICES] if settings.config.market.hourly_path is not None else []

    @dg.multi_asset(
        name="trades",
        specs=[
            dg.AssetSpec(
                table,
                description=_DESCRIPTIONS[table],
                group_name=group,
                owners=OWNERS,
                kinds={"duckdb", "sql"},
                deps=[*books, *hourly],
                metadata=table_metadata(table),
                automation_condition=WHEN_UPSTREAM_CHANGED,
            )
            for table in (*TRADES, *SUMMARIES)
        ],
        check_specs=[
            dg.AssetCheckSpec(i.name, asset=i.table, blocking=i.blocks, description=i.description)
            for i in TRADE_IDENTITIES
        ],
        pool=MART_POOL,
    )
    def trades(duckdb: DuckDBResource) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        with writing(duckdb) as con:
            rebuild_trades(con, calendar=calendar)
            rebuild_summaries(con, calendar=calendar, risk_free_rate=metrics.risk_free_rate)
            rows = {table: row_count(con, table) for table in (*TRADES, *SUMMARIES)}
            found = {identity: violations(con, identity) for identity in TRADE_IDENTITIES}
            broken = [problem for identity, problems in found.items() if identity.blocks for problem in problems]
            # Trades that do not add up follow from books that do not balance.
            unbalanced = imbalance(con) if broken else None
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})
        for identity, problems in found.items():
            yield check_result(identity, problems)
        # A blocking check ends the step without saying what is wrong.
        if broken:
            raise dg.Failure(
                unbalanced or f"nobody is ranked while the trades do not add up: {'; '.join(broken[:10])}"
            )

    return trades
