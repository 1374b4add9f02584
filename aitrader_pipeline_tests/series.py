"""Equity curves in a real mart file: what the tests of series, metrics and rankings start from."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from aitrader_pipeline.performance.series import Benchmarks, rebuild_timeseries
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.store.sql import statement

FIRST_SESSION = date(2025, 10, 2)

Money = Decimal | float | int | str
Row = dict[str, Any]


def open_mart(path: Path) -> duckdb.DuckDBPyConnection:
    """A new mart file with the arena's tables."""
    con = duckdb.connect(str(path))
    migrate(con)
    return con


def weekdays(first: date, count: int) -> list[date]:
    """The first `count` days from Monday to Friday, from `first` on."""
    days: list[date] = []
    day = first
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day += timedelta(days=1)
    return days


def usd(amount: Money) -> Decimal:
    """An amount as the mart stores it, with six decimals."""
    return Decimal(str(amount)).quantize(Decimal("0.000001"))


def add_daily_pnl(
    con: duckdb.DuckDBPyConnection,
    model: str,
    equity: Sequence[Money],
    *,
    first: date = FIRST_SESSION,
    kind: str = "model",
    cash: Sequence[Money] | None = None,
    trades: int = 0,
    costs: Money = 0,
    unscored_sessions: int = 0,
) -> list[date]:
    """Write a model's days: `equity[0]` is the starting cash, then one closing equity per session.

    `cash` has one amount per session (default: none left); `trades` and `costs` are those of every session.
    `unscored_sessions` are added at the end, without a close.
    """
    amounts = [usd(amount) for amount in equity]
    start, closings = amounts[0], amounts[1:]
    dates = weekdays(first, len(closings) + unscored_sessions)
    rows: list[list[object]] = []
    for number, day in enumerate(dates):
        base = amounts[min(number, len(closings))]
        money_left = usd(cash[number]) if cash is not None and number < len(cash) else usd(0)
        figures: list[object] = [None] * 5
        if number < len(closings):
            closing = closings[number]
            profit = closing - base
            daily_pct = float(100 * profit / base) if base > 0 else 0.0
            cumulative_pct = float(100 * (closing - start) / start) if start > 0 else 0.0
            figures = [closing, profit, daily_pct, closing - start, cumulative_pct]
        head: list[object] = [day, model, kind, "session", start, base]
        days_since = (day - dates[number - 1]).days if number else 0
        rows.append([*head, *figures, money_left, trades, usd(costs), days_since, 0])
    con.executemany("INSERT INTO daily_pnl VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return dates


def add_closes(con: duckdb.DuckDBPyConnection, symbol: str, closes: dict[date, Money | None]) -> None:
    """Write a symbol's bars; a close of None is a bar that has only opened."""
    con.executemany(
        "INSERT INTO prices (symbol, date, open, close, source, fetched_at) VALUES (?, ?, 1, ?, 'test', now())",
        [[symbol, day, None if close is None else usd(close)] for day, close in closes.items()],
    )


def rows_of(con: duckdb.DuckDBPyConnection, query: str, parameters: Row | None = None) -> list[Row]:
    """The rows of a query as dictionaries."""
    cursor = con.execute(query, parameters or {})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def build_timeseries(
    con: duckdb.DuckDBPyConnection,
    benchmark: str | None = None,
    initial_cash: Money = 10_000,
    universe: Sequence[str] | None = (),
    *,
    with_cash: bool = False,
) -> None:
    """Rebuild `portfolio_timeseries` the way the asset does; the benchmark of cash is in the way of most tests."""
    rebuild_timeseries(con, Benchmarks(usd(initial_cash), benchmark, lambda _: universe))
    if not with_cash:
        con.execute("DELETE FROM portfolio_timeseries WHERE model = '=cash'")


def window(start: date | None = None, end: date | None = None, risk_free_rate: float = 0.0) -> Row:
    """The parameters of `performance_metrics.sql`."""
    return {"start": start, "end": end, "risk_free_rate": risk_free_rate}


def metrics_of(
    con: duckdb.DuckDBPyConnection,
    start: date | None = None,
    end: date | None = None,
    risk_free_rate: float = 0.0,
) -> dict[str, Row]:
    """The metrics of every model over a window, by model, after a trip through the table with its checks."""
    con.execute("DELETE FROM performance_metrics")
    select = statement("aitrader_pipeline.performance", "performance_metrics")
    con.execute(f"INSERT INTO performance_metrics BY NAME {select}", window(start, end, risk_free_rate))
    return {row["model"]: row for row in rows_of(con, "FROM performance_metrics")}
