"""The asset catalog: which assets there are, and what it says of them: owners, pool, columns."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from aitrader_pipeline.store.mart import schema

# The assets: prices, sessions and what they are given; then what follows from each session, and from all.
PRICES = "prices"
SESSION_INPUTS = "session_inputs"
SESSIONS = "agent_sessions"
BOOKS = ("reasoning_logs", "positions", "holdings", "daily_pnl")
BOARDS = ("portfolio_timeseries", "performance_metrics", "leaderboard")

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
