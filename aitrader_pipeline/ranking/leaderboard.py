"""The leaderboard: every portfolio's standing, from the metrics."""

from dataclasses import dataclass
from decimal import Decimal

import duckdb

from aitrader_pipeline.money import cents
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
    return_low_pct: float | None
    return_high_pct: float | None
    tie_group: str | None
    note: str | None
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
        "SELECT rank, model, board.kind, portfolio_value, cumulative_return_pct, return_low_pct, return_high_pct, "
        "tie_group, reason, inference_cost_usd, net_return_pct "
        "FROM leaderboard AS board LEFT JOIN uncertainty USING (model) ORDER BY rank, model"
    ).fetchall()
    return [Standing(*row) for row in rows]


def leaderboard_query() -> str:
    """The SELECT that ranks a relation named ``performance_metrics``."""
    return statement(_PACKAGE, "leaderboard")


def likely_return(low: float | None, high: float | None) -> str | None:
    """The confidence interval of a return in percent, for people; None where there is none."""
    return None if low is None or high is None else f"{cents(low)} to {cents(high)} %"
