"""What spans model-days: the series of every portfolio and the metrics over it, rebuilt whole from the books."""

import datetime as dt
from decimal import Decimal

import duckdb

from aitrader_pipeline.money import money_text
from aitrader_pipeline.performance.picture import Curve
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import row_count

_PACKAGE = "aitrader_pipeline.performance"


def rebuild_timeseries(con: duckdb.DuckDBPyConnection, *, benchmark: str | None, initial_cash: Decimal) -> int:
    """Fill ``portfolio_timeseries`` anew, inside the caller's transaction.

    Args:
        con: a connection to the mart.
        benchmark: the symbol that is bought and held beside the models; None for none.
        initial_cash: what it starts with.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM portfolio_timeseries")
    con.execute(
        f"INSERT INTO portfolio_timeseries BY NAME {statement(_PACKAGE, 'portfolio_timeseries')}",
        {"benchmark": benchmark, "initial_cash": money_text(initial_cash)},
    )
    return row_count(con, "portfolio_timeseries")


def rebuild_metrics(con: duckdb.DuckDBPyConnection, *, risk_free_rate: float) -> int:
    """Fill ``performance_metrics`` anew over all sessions, inside the caller's transaction.

    Args:
        con: a connection to the mart.
        risk_free_rate: annual, 0.05 for 5 %.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM performance_metrics")
    con.execute(
        f"INSERT INTO performance_metrics BY NAME {metrics_query()}",
        metrics_window(None, None, risk_free_rate),
    )
    return row_count(con, "performance_metrics")


def return_curves(con: duckdb.DuckDBPyConnection) -> dict[str, Curve]:
    """Cumulative returns in percent per session, best model first."""
    rows = con.execute(statement(_PACKAGE, "return_curves")).fetchall()
    return {model: [tuple(point) for point in curve] for model, curve in rows}


def metrics_query() -> str:
    """The SELECT of the metrics over a window of ``portfolio_timeseries``; see :func:`metrics_window`."""
    return statement(_PACKAGE, "performance_metrics")


def metrics_window(start: dt.date | None, end: dt.date | None, risk_free_rate: float) -> dict[str, object]:
    """The parameters of :func:`metrics_query`: both ends included, None for unbounded."""
    return {"start": start, "end": end, "risk_free_rate": risk_free_rate}
