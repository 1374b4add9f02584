"""The null hypothesis of the board: where everyone stands in the cloud of random traders."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.ranking.null_distribution import NullStanding, standing_among_random
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import insert_rows

_PACKAGE = "aitrader_pipeline.ranking"
_COLUMNS = (
    "model", "sessions", "random_traders", "return_percentile", "return_p_value",
    "sharpe_percentile", "sharpe_p_value", "reason",
)  # fmt: skip


def rebuild_null_standing(con: duckdb.DuckDBPyConnection, *, risk_free_rate: float) -> int:
    """Fill ``null_standing`` anew from series, metrics and ``competitors``, inside the caller's transaction.

    The cloud are the portfolios whose trader is ``random``; one of them is compared with the others.

    Args:
        con: A connection to the mart.
        risk_free_rate: Annual, 0.05 for 5 %.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM null_standing")
    con.execute(statement(_PACKAGE, "stage_session_patterns"))
    metrics = metrics_query(statement(_PACKAGE, "random_curves"))
    figures = con.execute(
        f"WITH performance_metrics AS ({metrics}) {statement(_PACKAGE, 'random_figures')}",
        metrics_window(None, None, risk_free_rate),
    ).fetchall()
    insert_rows(con, "null_standing", _COLUMNS, [_row(*row) for row in figures])
    con.execute("DROP TABLE session_patterns")
    return len(figures)


def _row(
    model: str,
    sessions: int,
    return_pct: float | None,
    sharpe_ratio: float | None,
    random_returns: Sequence[float | None] | None,
    random_sharpes: Sequence[float | None] | None,
) -> tuple[Any, ...]:
    by_return = standing_among_random(return_pct, np.array(random_returns or [], dtype=np.float64))
    by_sharpe = standing_among_random(sharpe_ratio, np.array(random_sharpes or [], dtype=np.float64))
    return (
        model,
        sessions,
        by_return.traders,
        by_return.percentile,
        by_return.p_value,
        by_sharpe.percentile,
        by_sharpe.p_value,
        _reason(by_return, by_sharpe),
    )


def _reason(by_return: NullStanding, by_sharpe: NullStanding) -> str | None:
    if by_return.reason or not by_sharpe.reason:
        return by_return.reason
    return f"Sharpe ratio: {by_sharpe.reason}"
