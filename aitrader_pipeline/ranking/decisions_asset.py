"""Assets of the room `ranking`: decision science."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import DECISION_SCIENCE, MART_POOL, OWNERS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.config_universe import sectors_of
from aitrader_pipeline.ranking.decision_tables import rebuild_decision_tables
from aitrader_pipeline.ranking.market_models import rebuild_market_models
from aitrader_pipeline.store.mart import writing

_DESCRIPTIONS = {
    "forward_returns": "What a symbol returns from a session's open: after 1, 5 and 20 sessions.",
    "decision_outcomes": "What each model decided about a symbol on a session, and what its side returned.",
    "model_agreement": "Whether two models decide alike, and what each side made of it where they parted.",
    "confidence_calibration": "Stated confidence against what came true: Brier score, reliability by bucket.",
    "profit_by_symbol": "What each model has made of each symbol; the sum is its profit.",
    "market_models": "Alpha and beta of every portfolio against the benchmarks, with their errors.",
}
_DEPS = {
    "forward_returns": ["prices", "corporate_actions", "decision_log"],
    "decision_outcomes": ["forward_returns", "decision_log"],
    "model_agreement": ["decision_outcomes", "daily_pnl"],
    "confidence_calibration": ["decision_outcomes"],
    "profit_by_symbol": ["trade_log", "open_lots", "positions", "portfolio_timeseries"],
    "market_models": ["portfolio_timeseries", "performance_metrics"],
}


def decisions_asset(settings: Settings, group: str) -> dg.AssetsDefinition:
    """The assets, one step for all of them; in the group of the room."""

    @dg.multi_asset(
        name="decision_science",
        specs=[
            dg.AssetSpec(
                table,
                description=_DESCRIPTIONS[table],
                group_name=group,
                owners=OWNERS,
                kinds={"duckdb", "sql"},
                deps=_DEPS[table],
                metadata=table_metadata(table),
                automation_condition=WHEN_UPSTREAM_CHANGED,
            )
            for table in DECISION_SCIENCE
        ],
        pool=MART_POOL,
    )
    def decision_science(duckdb: DuckDBResource) -> Iterator[dg.MaterializeResult[None]]:
        with writing(duckdb) as con:
            rows = rebuild_decision_tables(con, sectors_of(settings.config.agent_config.stock_symbols or ()))
            rate = settings.config.metrics.risk_free_rate
            rows["market_models"] = rebuild_market_models(con, risk_free_rate=rate)
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})

    return decision_science
