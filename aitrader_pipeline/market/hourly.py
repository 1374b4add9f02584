"""Hourly bars: read from files, and kept in the mart's `hourly_prices` for the snapshots within a day."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb

from aitrader_pipeline.market.bars import BadBarError, PriceBatch, as_text, shown
from aitrader_pipeline.market.calendar import trading_moment
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.sources.tabular import read_tables
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"


@dataclass(frozen=True)
class HourlyChanges:
    """What a load did to the table: bars that it did not have, that were others, and that said nothing new."""

    added: int
    restated: int
    unchanged: int


def read_hourly(path: Path, calendar_name: str) -> PriceBatch:
    """Read every hourly bar of a file or folder.

    Args:
        path: CSV or Parquet, with the columns symbol, timestamp, open, high, low, close, volume. A timestamp is
            when the bar begins, in ISO form, with its zone or else in the exchange's own time.
        calendar_name: The exchange in whose trading hours a bar must begin.

    Returns:
        The good bars, whose canonical lines hold the timestamp in UTC, and what was refused.

    Raises:
        PriceError: There is no usable bar in it.
        ConfigError: No such calendar.
    """
    return read_tables("files", path, BarIntake(calendar_name, _trading_hour), "timestamp")


def save_hourly(con: duckdb.DuckDBPyConnection, batch: PriceBatch, fetched_at: dt.datetime) -> HourlyChanges:
    """Load hourly bars, inside the caller's transaction; the same bars again change nothing.

    A bar with the open alone is not loaded: its hour is not over.

    Args:
        con: A connection to the mart.
        batch: What `read_hourly` returned.
        fetched_at: When they were read; with a time zone.
    """
    con.execute(statement(_PACKAGE, "stage_hourly"), {"text": batch.text})
    [counts] = con.execute(statement(_PACKAGE, "known_hourly")).fetchall()
    con.execute(statement(_PACKAGE, "merge_hourly"), {"source": batch.source, "fetched_at": fetched_at})
    con.execute(statement(_PACKAGE, "drop_staged_hourly"))
    return HourlyChanges(*counts)


def _trading_hour(calendar_name: str, value: object) -> str:
    text = as_text(value)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadBarError(f"timestamp {shown(text)} is no time such as 2025-10-30 10:30:00") from None
    traded = trading_moment(calendar_name, moment)
    if traded is None:
        raise BadBarError(f"{text} is outside the trading hours of {calendar_name}")
    return traded.isoformat(timespec="seconds")
