"""Figures of equity curves in plain Python: what the statements of the mart are held against."""

import datetime as dt
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import duckdb

from aitrader_pipeline.store.staging import insert_rows


@dataclass(frozen=True)
class EquityCurve:
    """A portfolio: what it started with, and its value at every session."""

    model: str
    kind: str
    start: Decimal
    values: Mapping[dt.date, Decimal]

    def before(self, date: dt.date) -> Decimal:
        """The value at the session before a date, the start on the first."""
        earlier = [day for day in self.values if day < date]
        return self.values[max(earlier)] if earlier else self.start

    def figures(self, dates: Sequence[dt.date], risk_free_rate: float = 0.0) -> dict[str, float | None]:
        """Return, Sharpe ratio, volatility and drawdown between the marks of these sessions."""
        marks = [self.before(dates[0]), *(self.values[date] for date in sorted(dates))]
        returns = [float((b - a) / a) if a > 0 else 0.0 for a, b in pairwise(marks)]
        mean = statistics.fmean(returns)
        deviation = statistics.stdev(returns) if len(returns) > 1 else None
        daily = (1 + risk_free_rate) ** (1 / 252) - 1
        is_defined = deviation is not None and deviation >= 1e-12 * max(1, abs(mean))
        falls = [
            (max(marks[: i + 1]) - mark) / max(marks[: i + 1]) for i, mark in enumerate(marks) if marks[0] > 0
        ]
        return {
            "return_pct": float(100 * (marks[-1] / marks[0] - 1)) if marks[0] > 0 else None,
            "sharpe_ratio": (mean - daily) / deviation * math.sqrt(252) if deviation and is_defined else None,
            "volatility_pct": None if deviation is None else 100 * deviation * math.sqrt(252),
            "max_drawdown_pct": float(100 * max(falls, default=Decimal(0))),
        }


def add_curve(con: duckdb.DuckDBPyConnection, curve: EquityCurve) -> None:
    """Write a curve into ``portfolio_timeseries``; what these tests do not look at is 0."""
    rows: list[dict[str, Any]] = []
    base = curve.start
    for date, value in sorted(curve.values.items()):
        rows.append(
            {
                "model": curve.model,
                "kind": curve.kind,
                "date": date,
                "base_equity": base,
                "portfolio_value": value,
                "daily_profit": value - base,
                "daily_return_pct": float(100 * (value - base) / base) if base > 0 else 0.0,
                "cumulative_profit": value - curve.start,
                "peak_value": value,
                **dict.fromkeys(
                    ["cumulative_return_pct", "drawdown", "drawdown_pct", "cash", "trades", "costs"], 0
                ),
            }
        )
        base = value
    if rows:
        insert_rows(con, "portfolio_timeseries", list(rows[0]), [list(map(_exact, row.values())) for row in rows])


def _exact(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


def curves_of(con: duckdb.DuckDBPyConnection) -> dict[str, EquityCurve]:
    """The curves of the models and baselines of a mart, from the books; of the benchmarks, from the series."""
    rows = con.execute(
        "SELECT model, kind, initial_cash, date, closing_equity FROM daily_pnl WHERE closing_equity IS NOT NULL "
        "UNION ALL "
        "SELECT model, kind, portfolio_value - cumulative_profit, date, portfolio_value FROM portfolio_timeseries "
        "WHERE kind = 'benchmark'"
    ).fetchall()
    values: dict[str, dict[dt.date, Decimal]] = {}
    for model, _, _, date, value in rows:
        values.setdefault(model, {})[date] = value
    return {model: EquityCurve(model, kind, start, values[model]) for model, kind, start, *_ in rows}
