"""When the sessions of the mart open and close, as a staged table: `session_hours(date, opens_at, closes_at)`."""

import duckdb

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.store.staging import create_staging, insert_rows

_COLUMNS = {"date": "DATE", "opens_at": "TIMESTAMPTZ", "closes_at": "TIMESTAMPTZ"}


def stage_session_hours(con: duckdb.DuckDBPyConnection, calendar: str) -> None:
    """Stage the hours (UTC) of every session that somebody has traded, inside the caller's transaction.

    Args:
        con: A connection to the mart.
        calendar: The exchange's code, such as XNAS.

    Raises:
        ConfigError: A model-day is on a day that is no session of that exchange.
    """
    create_staging(con, "session_hours", _COLUMNS)
    dates = [date for (date,) in con.execute("SELECT DISTINCT date FROM daily_pnl ORDER BY date").fetchall()]
    if dates:
        # Not the calendar of the config's dates: they may have been cut since.
        hours = TradingCalendar(calendar, dates[0], dates[-1])
        rows = [(date, hours.open_at(date), hours.close_at(date)) for date in dates]
        insert_rows(con, "session_hours", list(_COLUMNS), rows)
