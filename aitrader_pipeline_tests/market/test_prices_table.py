"""The mart's prices: loading is idempotent, and a restated bar touches its own row alone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.bars import Bar, PriceBatch, price_batch
from aitrader_pipeline.market.prices import PriceChanges, content_hash, read_history, save_prices
from aitrader_pipeline_tests.series import open_mart

NOON = datetime(2025, 10, 6, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
WED, THU, FRI = date(2025, 10, 1), date(2025, 10, 2), date(2025, 10, 3)
ROWS = "SELECT symbol, date, open, high, low, close, volume, source, epoch(fetched_at) FROM prices ORDER BY ALL"


def full(symbol: str, day: date, close: str = "101.25") -> Bar:
    return Bar(symbol, day, Decimal("100.5"), Decimal(110), Decimal("90.000001"), Decimal(close), 1000)


def batch_of(*bars: Bar, source: str = "files") -> PriceBatch:
    return price_batch(source, bars, ())


BATCH = batch_of(full("MSFT", WED), full("AAPL", WED), full("AAPL", THU), Bar("AAPL", FRI, Decimal(99)))


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def save(con: duckdb.DuckDBPyConnection, batch: PriceBatch, at: datetime = NOON) -> PriceChanges:
    con.begin()
    changes = save_prices(con, batch, at)
    con.commit()
    return changes


def test_a_first_load_adds_every_bar_exactly(mart: duckdb.DuckDBPyConnection) -> None:
    assert save(mart, BATCH) == PriceChanges(added=4, completed=0, restated=(), unchanged=0)
    rows = mart.execute(ROWS).fetchall()
    epoch = NOON.timestamp()
    assert rows[0] == (
        "AAPL",
        WED,
        Decimal("100.5"),
        110,
        Decimal("90.000001"),
        Decimal("101.25"),
        1000,
        "files",
        epoch,
    )
    assert rows[2] == ("AAPL", FRI, Decimal(99), None, None, None, None, "files", epoch)


def test_the_table_s_hash_is_the_batch_s_whatever_the_order_of_loading(mart: duckdb.DuckDBPyConnection) -> None:
    save(mart, batch_of(*BATCH.bars[2:]))
    save(mart, batch_of(*BATCH.bars[:2]))
    assert content_hash(mart) == BATCH.content_hash
    mart.execute("DELETE FROM prices")
    assert content_hash(mart) == batch_of().content_hash


def test_loading_the_same_again_changes_no_row_not_even_its_source_or_time(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    save(mart, BATCH)
    before = mart.execute(ROWS).fetchall()
    again = save(mart, batch_of(*BATCH.bars, source="sample"), LATER)
    assert again == PriceChanges(added=0, completed=0, restated=(), unchanged=4)
    assert mart.execute(ROWS).fetchall() == before


def test_a_restated_bar_changes_exactly_its_row_and_is_reported_with_both_values(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    save(mart, BATCH)
    before = mart.execute(ROWS).fetchall()
    restated = full("AAPL", THU, close="102")
    changes = save(mart, batch_of(full("AAPL", WED), restated, source="sample"), LATER)
    assert (changes.added, changes.completed, changes.unchanged) == (0, 0, 1)
    [change] = changes.restated
    assert (change.symbol, change.date, change.before, change.after) == ("AAPL", THU, full("AAPL", THU), restated)
    after = mart.execute(ROWS).fetchall()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [
        ("AAPL", THU, Decimal("100.5"), 110, Decimal("90.000001"), 102, 1000, "sample", LATER.timestamp())
    ]


def test_the_close_of_the_newest_day_completes_its_bar_without_restating_it(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    save(mart, BATCH)
    complete = Bar("AAPL", FRI, Decimal(99), Decimal(100), Decimal(98), Decimal(99), 5)
    assert save(mart, batch_of(complete)) == PriceChanges(0, 1, (), 0, revised={"AAPL": [FRI]})
    assert read_history(mart).last_session == FRI
    assert mart.execute("SELECT close FROM prices WHERE date = ?", [FRI]).fetchall() == [(99,)]


def test_bars_that_a_session_may_have_seen_otherwise_are_told(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    assert save(mart, batch_of(full("AAPL", WED), full("AAPL", THU))).revised == {}
    assert save(mart, batch_of(full("AAPL", FRI), full("MSFT", FRI))).revised == {}
    late, restated, same = full("MSFT", WED), full("AAPL", THU, close="102"), full("AAPL", WED)
    assert save(mart, batch_of(late, restated, same)).revised == {"AAPL": [THU], "MSFT": [WED]}


def test_an_open_alone_does_not_take_away_a_known_close_unless_it_differs(mart: duckdb.DuckDBPyConnection) -> None:
    save(mart, BATCH)
    assert save(mart, batch_of(Bar("AAPL", THU, Decimal("100.5")))).unchanged == 1
    assert mart.execute("SELECT close FROM prices WHERE date = ?", [THU]).fetchall() == [(Decimal("101.25"),)]
    changes = save(mart, batch_of(Bar("AAPL", THU, Decimal("100.6"))))
    assert [change.after for change in changes.restated] == [Bar("AAPL", THU, Decimal("100.6"))]
    assert mart.execute("SELECT close FROM prices WHERE date = ?", [THU]).fetchall() == [(None,)]


def test_a_load_that_is_rolled_back_leaves_nothing_and_can_be_tried_again(mart: duckdb.DuckDBPyConnection) -> None:
    mart.begin()
    save_prices(mart, BATCH, NOON)
    mart.rollback()
    assert mart.execute(ROWS).fetchall() == []
    assert save(mart, BATCH).added == 4


def test_an_empty_batch_changes_nothing(mart: duckdb.DuckDBPyConnection) -> None:
    save(mart, BATCH)
    assert save(mart, batch_of()) == PriceChanges(added=0, completed=0, restated=(), unchanged=0)


def test_a_time_without_its_zone_is_refused(mart: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="time zone"):
        save_prices(mart, BATCH, NOON.replace(tzinfo=None))


def test_the_history_is_read_up_to_and_including_a_date(mart: duckdb.DuckDBPyConnection) -> None:
    save(mart, BATCH)
    assert read_history(mart).sessions == (WED, THU, FRI)
    history = read_history(mart, through=THU)
    assert (history.symbols, history.sessions) == (("AAPL", "MSFT"), (WED, THU))
    assert history.cut(FRI, ["AAPL"], THU).bars("AAPL", 5) == (full("AAPL", WED), full("AAPL", THU))


def test_an_empty_table_says_that_prices_must_be_loaded_first(mart: duckdb.DuckDBPyConnection) -> None:
    history = read_history(mart)
    assert (history.symbols, history.sessions) == ((), ())
    with pytest.raises(PriceError, match="load them first"):
        _ = history.last_session
