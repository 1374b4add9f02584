"""Closed trades, open lots, and the days, weeks and months: rebuilt whole from the books of scored sessions."""

import datetime as dt

import duckdb

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.performance.books import stage_closing_marks
from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.ranking.session_hours import stage_session_hours
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, replace_rows

_PACKAGE = "aitrader_pipeline.ranking"
_LOTS = {
    "stretch": "BIGINT",
    "queue": "INTEGER",
    "shares": "DOUBLE",
    "entry": "BIGINT",
    "entry_price": "DOUBLE",
    "exit": "BIGINT",
    "exit_price": "DOUBLE",
}


def rebuild_trades(con: duckdb.DuckDBPyConnection, *, calendar: str) -> None:
    """Fill ``trade_log`` and ``open_lots`` anew, inside the caller's transaction.

    Args:
        con: A connection to the mart, whose books and ``portfolio_timeseries`` are up to date.
        calendar: The exchange's code, such as XNAS; shares change hands at the open of its sessions.

    Raises:
        ConfigError: A model-day is on a day that is no session of the exchange.
    """
    stage_session_hours(con, calendar)
    stage_closing_marks(con)
    con.execute(statement(_PACKAGE, "stage_scored_days"))
    _stage_lots(con)
    for table in ("trade_log", "open_lots"):
        con.execute(f"TRUNCATE {table}")
        con.execute(f"INSERT INTO {table} BY NAME {statement(_PACKAGE, table)}")
    for table in ("lots", "trading_actions", "lot_queues"):
        con.execute(f"DROP TABLE {table}")


def rebuild_summaries(con: duckdb.DuckDBPyConnection, *, calendar: str, risk_free_rate: float) -> None:
    """Fill the tables of hours, days, weeks and months anew, after `rebuild_trades` in the same transaction.

    Args:
        con: A connection to the mart.
        calendar: The exchange's code, such as XNAS.
        risk_free_rate: Annual, 0.05 for 5 %.
    """
    snapshots, days = statement(_PACKAGE, "hourly_snapshots"), statement(_PACKAGE, "daily_summaries")
    replace_rows(con, "hourly_snapshots", ("model_id", "timestamp"), snapshots)
    replace_rows(con, "daily_summaries", ("model_id", "date"), days, {"risk_free_rate": risk_free_rate})
    following = _next_session(con, calendar)
    for table, unit in (("weekly_summaries", "week"), ("monthly_summaries", "month")):
        replace_rows(
            con,
            table,
            ("model_id", "period_start"),
            period_summaries_query(),
            {"unit": unit, "next_session": following, **metrics_window(None, None, risk_free_rate)},
        )


def period_summaries_query() -> str:
    """The SELECT of ``weekly_summaries`` and ``monthly_summaries``: the metrics of the curves cut into periods."""
    relations = {
        "portfolio_timeseries": statement(_PACKAGE, "series_by_period"),
        "trade_log": statement(_PACKAGE, "trades_by_period"),
        "performance_metrics": metrics_query(),
        "trade_statistics": trade_statistics_query(),
    }
    listing = ", ".join(f"{name} AS ({select})" for name, select in relations.items())
    return f"WITH {listing} {statement(_PACKAGE, 'period_summaries')}"


def trade_statistics_query() -> str:
    """The SELECT of what a model's closed trades come to over a window of exit dates; parameters start and end."""
    return statement(_PACKAGE, "trade_statistics")


def _stage_lots(con: duckdb.DuckDBPyConnection) -> None:
    """Stage the pieces of all lots as `lots`: the closed ones, and those that are open after the last stretch."""
    con.execute(statement(_PACKAGE, "stage_lot_queues"))
    con.execute(statement(_PACKAGE, "stage_trading_actions"))
    create_staging(con, "lots", _LOTS)
    [(last,)] = con.execute("SELECT coalesce(max(stretch), 0) FROM trading_actions").fetchall()
    # Not a recursive statement, which DuckDB runs on one core: nearly everything is in the first stretch.
    for stretch in range(last + 1):
        con.execute(statement(_PACKAGE, "add_lots_of_stretch"), {"stretch": stretch})
    con.execute("DELETE FROM lots WHERE exit IS NULL AND stretch < ?", [last])


def _next_session(con: duckdb.DuckDBPyConnection, calendar: str) -> dt.date | None:
    """The exchange's first session after the newest scored one; None while there is none."""
    [(first, last)] = con.execute("SELECT min(date), max(date) FROM daily_pnl").fetchall()
    [(newest,)] = con.execute("SELECT max(date) FROM portfolio_timeseries").fetchall()
    # Of the same dates as that of `stage_session_hours`: the schedule behind it has been built.
    return TradingCalendar(calendar, first, last).next_session(newest) if newest else None
