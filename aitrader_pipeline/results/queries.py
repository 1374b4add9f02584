"""The questions that users ask, answered from the mart in the shapes of the API.

Numbers are floats; an unknown one is None. Every function opens the mart for its own query and closes it again.
"""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb

from aitrader_pipeline.errors import NoDataError
from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.ranking.leaderboard import leaderboard_query
from aitrader_pipeline.ranking.replicas import replica_groups
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL

_PACKAGE = "aitrader_pipeline.results"
Detail = Literal["minimal", "full"]
Row = dict[str, Any]


def get_results(mart: Path, date: dt.date, model: str | None = None, detail: Detail = "minimal") -> Row:
    """What the models did and earned on a session.

    Args:
        mart: the mart's file.
        date: the session.
        model: one model's signature; None for all.
        detail: ``full`` adds trades, the reasoning's summary and tool use.

    Returns:
        ``{"date", "results": [{"model", "positions", "daily_pnl", "cumulative_pnl", ...}]}``; positions are shares
        per symbol and ``CASH``; ``portfolio_value`` is marked at the close, None until it is known.

    Raises:
        NoDataError: no session of that date, or not of that model.
        StoreError: there is no mart yet.
    """
    with reading(mart) as con:
        days = _rows(con, "results_of_day", date=date, model=model)
        if not days:
            raise NoDataError(_no_result(con, date, model))
        results = [_result(day) | (_details(con, day) if detail == "full" else {}) for day in days]
    return {"date": date.isoformat(), "results": results}


def get_portfolio_timeseries(
    mart: Path, model: str, start_date: dt.date | None = None, end_date: dt.date | None = None
) -> Row:
    """A portfolio's value and returns over time, both ends included.

    Args:
        mart: the mart's file.
        model: a model's signature, or the benchmark's symbol.
        start_date: the first session; None for the beginning.
        end_date: the last session; None for the newest.

    Returns:
        ``{"model", "timeseries": [{"date", "portfolio_value", "daily_return_pct", ...}]}``.

    Raises:
        NoDataError: nothing is known of the model in that range.
        StoreError: there is no mart yet.
    """
    with reading(mart) as con:
        rows = _rows(con, "timeseries", model=model, start=start_date, end=end_date)
        if not rows:
            known = ", ".join(row["model"] for row in _rows(con, "scored_models"))
            raise NoDataError(
                f"there is no series of {model} in that range; there are series of: {known or 'none'}"
            )
    return {"model": model, "timeseries": rows}


def get_leaderboard(mart: Path, date: dt.date | None = None, *, risk_free_rate: float = 0.0) -> Row:
    """The standings: the newest of every model, or as they stood at the close of a session.

    Args:
        mart: the mart's file.
        date: a session; None for the newest.
        risk_free_rate: annual, for the Sharpe ratio of standings of a date.

    Returns:
        ``{"date", "leaderboard": [{"rank", "model", "kind", "portfolio_value", "cumulative_return_pct", ...}]}``.

    Raises:
        NoDataError: nobody has a scored session (on that date).
        StoreError: there is no mart yet.
    """
    with reading(mart) as con:
        shown = statement(_PACKAGE, "leaderboard_with_uncertainty")
        if date is None:
            rows = fetched(con, f"WITH board AS (FROM leaderboard) {shown}", {})
        else:
            present = {row["model"] for row in _rows(con, "models_on_date", date=date)}
            board = f"performance_metrics AS ({metrics_query()}), board AS ({leaderboard_query()})"
            rows = fetched(con, f"WITH {board} {shown}", metrics_window(None, date, risk_free_rate))
            rows = [row for row in rows if row["model"] in present]
    if not rows:
        raise NoDataError(f"nobody has a scored session{f' on {date}' if date else ' yet'}")
    return {"date": date.isoformat() if date else max(row["date"] for row in rows), "leaderboard": rows}


def get_replica_groups(mart: Path, date: dt.date | None = None, *, risk_free_rate: float = 0.0) -> list[Row]:
    """The figures of every competitor, a model's replicas as one: the newest, or up to a session.

    Args:
        mart: the mart's file.
        date: a session; None for the newest.
        risk_free_rate: annual, for the Sharpe ratios up to a date.

    Returns:
        ``[{"model", "kind", "replicas", "sessions", "mean_return_pct", "deviation_return_pct", ...}]``; the newest
        with the columns of the variance too.

    Raises:
        StoreError: there is no mart yet.
    """
    with reading(mart) as con:
        if date is None:
            return fetched(con, "SELECT * FROM replica_groups ORDER BY model", {})
        return [group.row() for group in replica_groups(con, date, risk_free_rate=risk_free_rate)]


def _no_result(con: duckdb.DuckDBPyConnection, date: dt.date, model: str | None) -> str:
    [(first, last)] = con.execute("SELECT min(date), max(date) FROM daily_pnl").fetchall()
    there_is = f"results run from {first} to {last}" if first else "there are no results yet"
    return f"there is no result for {date}{f' and model {model}' if model else ''}; {there_is}"


def _result(day: Row) -> Row:
    return {
        "model": day["model"],
        "positions": {**day["shares"], "CASH": day["cash"]},
        "daily_pnl": {
            "profit": day["daily_profit"],
            "return_pct": day["daily_return_pct"],
            "portfolio_value": day["closing_equity"],
        },
        "cumulative_pnl": {"profit": day["cumulative_profit"], "return_pct": day["cumulative_return_pct"]},
    }


def _details(con: duckdb.DuckDBPyConnection, day: Row) -> Row:
    cell = {"date": day["date"], "model": day["model"]}
    reasoning = _rows(con, "reasoning_of_day", **cell, finish_signal=FINISH_SIGNAL)[0]
    usage = {row["tool_name"]: row["call_count"] for row in _rows(con, "tool_usage_of_day", **cell)}
    return {
        "trades": _rows(con, "trades_of_day", **cell),
        "ai_reasoning": {**reasoning, "tool_usage": usage},
    }


def _rows(con: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> list[Row]:
    return fetched(con, statement(_PACKAGE, name), parameters)


def fetched(con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> list[Row]:
    """The rows of a query with their values as JSON has them: numbers are floats, dates are text."""
    cursor = con.execute(query, parameters or None)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]


def _plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, dt.date) else value
