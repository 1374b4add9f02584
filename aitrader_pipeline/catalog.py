"""The asset catalog: which assets there are, and what it says of them: owners, pool, columns."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from aitrader_pipeline.store.mart import schema

# The assets: what sessions are given, and the sessions; then what follows from each of them, and from all.
RAW_PRICES = "raw_prices"
PRICES = "prices"
CORPORATE_ACTIONS = "corporate_actions"
HOURLY_PRICES = "hourly_prices"
COMPARED_PRICES = "compared_prices"
COVERAGE = "coverage"
SESSION_INPUTS = "session_inputs"
SESSIONS = "agent_sessions"
BOOKS = ("decision_log", "reasoning_logs", "positions", "holdings", "daily_pnl")
TRADES = ("trade_log", "open_lots")
SUMMARIES = ("hourly_snapshots", "daily_summaries", "weekly_summaries", "monthly_summaries")
UNCERTAINTY = "uncertainty"
STANDINGS = ("leaderboard_snapshots", "current_standings")
DECISION_SCIENCE = (
    "forward_returns",
    "decision_outcomes",
    "model_agreement",
    "confidence_calibration",
    "profit_by_symbol",
    "market_models",
)
YARDSTICKS = ("replica_groups", "null_standing", "contamination")
BOARDS = (
    "portfolio_timeseries",
    "performance_metrics",
    *TRADES,
    *SUMMARIES,
    UNCERTAINTY,
    "leaderboard",
    *STANDINGS,
    *YARDSTICKS,
    *DECISION_SCIENCE,
)

OWNERS = ["team:arena"]
# DuckDB has one writing process at a time: writers wait for the file. A limit on the pool can be set in the UI.
MART_POOL = "duckdb"


@cache
def _schema() -> Mapping[str, dg.TableSchema]:
    return {
        table: dg.TableSchema([dg.TableColumn(c.name, c.type, description=c.description) for c in columns])
        for table, columns in schema().items()
    }


def table_metadata(table: str) -> dict[str, Any]:
    """The metadata by which the UI shows a table's name and columns."""
    return {"dagster/table_name": table, "dagster/column_schema": _schema()[table]}
