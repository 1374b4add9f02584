"""The leaderboard: every portfolio's standing, from the metrics."""

from dataclasses import dataclass
from decimal import Decimal

import duckdb

from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.ranking"


@dataclass(frozen=True)
class Standing:
    """One line of the leaderboard."""

    rank: int
    model: str
    kind: str
    portfolio_value: Decimal
    return_pct: float
    inference_cost_usd: float | None
    net_return_pct: float | None


def rebuild_leaderboard(con: duckdb.DuckDBPyConnection) -> list[Standing]:
    """Fill ``leaderboard`` anew from ``performance_metrics``, inside the caller's transaction.

    Returns:
        The standings, best first.
    """
    con.execute("DELETE FROM leaderboard")
    con.execute(f"INSERT INTO leaderboard BY NAME {leaderboard_query()}")
    rows = con.execute(
        "SELECT rank, model, kind, portfolio_value, cumulative_return_pct, inference_cost_usd, net_return_pct "
        "FROM leaderboard ORDER BY rank, model"
    ).fetchall()
    return [Standing(*row) for row in rows]


def leaderboard_query() -> str:
    """The SELECT that ranks a relation named ``performance_metrics``."""
    return statement(_PACKAGE, "leaderboard")
