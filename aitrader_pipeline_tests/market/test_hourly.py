"""Hourly bars: those within trading hours are stored, once, and the others are refused with their place."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.hourly import HourlyChanges, read_hourly, save_hourly
from aitrader_pipeline_tests.series import open_mart

NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)
HEADER = "symbol,timestamp,open,high,low,close,volume\n"
STORED = "SELECT symbol, epoch(timestamp), close, epoch(fetched_at) FROM hourly_prices ORDER BY ALL"


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def read(tmp_path: Path, *rows: str) -> PriceBatch:
    path = tmp_path / "hourly.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return read_hourly(path, "XNAS")


def moments(batch: PriceBatch) -> list[str]:
    return [line.split(",")[1] for line in batch.text.splitlines()]


def test_a_time_without_a_zone_is_the_exchange_s_own_in_summer_and_winter(tmp_path: Path) -> None:
    batch = read(
        tmp_path,
        "AAPL,2025-10-31 10:00:00,1,2,1,2,5",
        "AAPL,2025-11-03 10:00:00,1,2,1,2,5",
        "AAPL,2025-11-04T10:00:00-05:00,1,2,1,2,5",
        "AAPL,2025-11-05T15:00:00Z,1,2,1,2,5",
    )
    assert batch.rejected == ()
    assert moments(batch) == [
        "2025-10-31T14:00:00+00:00",
        "2025-11-03T15:00:00+00:00",
        "2025-11-04T15:00:00+00:00",
        "2025-11-05T15:00:00+00:00",
    ]


def test_only_bars_that_begin_while_the_exchange_trades_are_taken(tmp_path: Path) -> None:
    batch = read(
        tmp_path,
        "AAPL,2025-11-28 09:30,1,2,1,2,5",
        "AAPL,2025-11-28 12:30,1,2,1,2,5",
        "AAPL,2025-11-28 13:00,1,2,1,2,5",  # a half-day: closed by now
        "AAPL,2025-11-26 09:00,1,2,1,2,5",
        "AAPL,2025-11-26 15:30,1,2,1,2,5",
        "AAPL,2025-11-26 16:00,1,2,1,2,5",
        "AAPL,2025-11-27 11:00,1,2,1,2,5",
        "AAPL,noon,1,2,1,2,5",
        "AAPL,2025-11-26 10:30,3,2,1,2,5",
    )
    assert len(batch) == 3
    assert [(refused.line, refused.reason) for refused in batch.rejected] == [
        (4, "2025-11-28 13:00 is outside the trading hours of XNAS"),
        (5, "2025-11-26 09:00 is outside the trading hours of XNAS"),
        (7, "2025-11-26 16:00 is outside the trading hours of XNAS"),
        (8, "2025-11-27 11:00 is outside the trading hours of XNAS"),
        (9, "timestamp 'noon' is no time such as 2025-10-30 10:30:00"),
        (10, "open 3 is outside low..high 1..2"),
    ]


def test_the_exchange_says_which_time_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hourly.csv"
    path.write_text(HEADER + "7203.T,2025-10-30 09:00,1,2,1,2,5\n", encoding="utf-8")
    assert moments(read_hourly(path, "XTKS")) == ["2025-10-30T00:00:00+00:00"]


def test_a_parquet_file_s_timestamps_count_with_and_without_a_zone(tmp_path: Path) -> None:
    for name, kind in (
        ("local", "TIMESTAMP '2025-10-30 10:30:00'"),
        ("zoned", "TIMESTAMPTZ '2025-10-30 14:30:00+00'"),
    ):
        with duckdb.connect() as con:
            con.execute(
                f"COPY (SELECT 'AAPL' AS symbol, {kind} AS timestamp, 1.5 AS open, 2.0 AS high, 1.0 AS low,"
                f" 2.0 AS close, 7 AS volume, 'x' AS note) TO '{tmp_path / name}.parquet' (FORMAT parquet)"
            )
        batch = read_hourly(tmp_path / f"{name}.parquet", "XNAS")
        assert batch.text == "AAPL,2025-10-30T14:30:00+00:00,1.500000,2.000000,1.000000,2.000000,7\n"


def test_the_same_bars_again_change_nothing_and_a_restated_one_its_own_row(
    tmp_path: Path, mart: duckdb.DuckDBPyConnection
) -> None:
    rows = ["AAPL,2025-10-30 10:30,1,2,1,2,5", "AAPL,2025-10-30 11:30,1,2,1,2,5"]
    assert save_hourly(mart, read(tmp_path, *rows), NOON) == HourlyChanges(2, 0, 0)
    later = NOON + timedelta(hours=1)
    assert save_hourly(mart, read(tmp_path, *rows), later) == HourlyChanges(0, 0, 2)
    restated = [rows[0].replace("2,5", "1.5,5"), rows[1], "AAPL,2025-10-30 12:30,1,,,,"]
    assert save_hourly(mart, read(tmp_path, *restated), later) == HourlyChanges(0, 1, 1)
    assert mart.execute(STORED).fetchall() == [
        ("AAPL", datetime(2025, 10, 30, 14, 30, tzinfo=UTC).timestamp(), Decimal("1.5"), later.timestamp()),
        ("AAPL", datetime(2025, 10, 30, 15, 30, tzinfo=UTC).timestamp(), Decimal(2), NOON.timestamp()),
    ]


def test_a_file_of_daily_bars_is_an_error_that_names_the_column(tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    path.write_text("symbol,date,open,high,low,close,volume\n", encoding="utf-8")
    with pytest.raises(PriceError, match="no column timestamp"):
        read_hourly(path, "XNAS")
