"""What spans model-days: the series of every portfolio and the metrics over it, rebuilt whole from the books."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from aitrader_pipeline.money import money_text
from aitrader_pipeline.performance.picture import Curve
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import replace_rows, row_count

_PACKAGE = "aitrader_pipeline.performance"


@dataclass(frozen=True)
class Benchmarks:
    """What stands beside the models: a symbol and the universe in equal parts, bought and held, and cash.

    Attributes:
        initial_cash: What each of them starts with.
        symbol: The symbol; None for none.
        members: The symbols of the universe on a date; None for all that are priced but the symbol.
    """

    initial_cash: Decimal
    symbol: str | None = None
    members: Callable[[dt.date], Sequence[str] | None] = lambda _: None


def rebuild_timeseries(con: duckdb.DuckDBPyConnection, benchmarks: Benchmarks) -> int:
    """Fill ``portfolio_timeseries`` anew, inside the caller's transaction.

    Args:
        con: a connection to the mart.
        benchmarks: what stands beside the models.

    Returns:
        The number of rows.
    """
    [(first,)] = con.execute("SELECT min(date) FROM daily_pnl").fetchall()
    members = benchmarks.members(first) if first is not None else None
    cash = {"initial_cash": money_text(benchmarks.initial_cash)}
    con.execute(
        statement(_PACKAGE, "stage_benchmarks"),
        {**cash, "benchmark": benchmarks.symbol, "universe": None if members is None else list(members)},
    )
    replace_rows(con, "portfolio_timeseries", ("model", "date"), statement(_PACKAGE, "portfolio_timeseries"), cash)
    con.execute("DROP TABLE benchmark_values")
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


def metrics_query(curves: str | None = None) -> str:
    """The SELECT of the metrics over a window of equity curves; see :func:`metrics_window`.

    Args:
        curves: a SELECT with the curves; None for those of ``portfolio_timeseries``. It may name them as it likes,
            and reads that table as ``main.portfolio_timeseries``.
    """
    metrics = statement(_PACKAGE, "performance_metrics")
    return metrics if curves is None else f"WITH portfolio_timeseries AS ({curves}) FROM ({metrics})"


def metrics_window(start: dt.date | None, end: dt.date | None, risk_free_rate: float) -> dict[str, object]:
    """The parameters of :func:`metrics_query`: both ends included, None for unbounded."""
    return {"start": start, "end": end, "risk_free_rate": risk_free_rate}
