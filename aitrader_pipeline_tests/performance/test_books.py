"""The books of the mart: positions, holdings and daily P&L, against numbers computed by hand."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.errors import PriceError, StoreError
from aitrader_pipeline.market.prices import save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.performance.books import forget_cells, scored_cells, write_books
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import read_book
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.record import Book, SessionRecord
from aitrader_pipeline.trading.transcripts import write_transcripts
from aitrader_pipeline_tests.markets import (
    GOLDEN_DAYS,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    Quotes,
    baseline,
    cells_of,
    day,
    finished,
    new_arena,
)
from aitrader_pipeline_tests.recorded_books import M, golden_book, write_book

Mart = duckdb.DuckDBPyConnection
HOLD = "buy_and_hold"


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[Mart]:
    with duckdb.connect(str(tmp_path / "arena.duckdb")) as con:
        migrate(con)
        yield con


def load_prices(mart: Mart, arena: Arena) -> None:
    source = arena.config.market
    save_prices(mart, open_source(source.source, source.path).read(source.calendar), dt.datetime.now(dt.UTC))


@pytest.fixture
def golden(mart: Mart, tmp_path: Path) -> list[SessionRecord]:
    """The golden four days of the spec as an imported book, in the mart with its prices."""
    arena = new_arena(tmp_path, [baseline("cash")])
    records = list(read_book(M, write_book(tmp_path, golden_book()), arena, "import-1").records)
    load_prices(mart, arena)
    write_books(mart, records)
    return records


def held(mart: Mart, quotes: Quotes, *days: str) -> list[SessionRecord]:
    """A portfolio that buys all it can on the first day, run on these prices and written into the mart."""
    folder = Path(mart.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()[0][0]).parent
    arena = new_arena(folder, [baseline(HOLD)], quotes)
    records = finished(arena, HOLD, days)
    load_prices(mart, arena)
    write_books(mart, records)
    write_transcripts(mart, records)
    return records


# --- the golden four days ---

# Shares and cash of each day's end are the spec's, at the closes of the same table.
EQUITY = {
    OCT_02: 1000 + 20 * 103 + 10 * 198 + 100 * 52,
    OCT_03: 1000 + 20 * 104 + 10 * 197 + 100 * 54,
    OCT_06: 5005 + 5 * 109 + 23 * 191,
    OCT_07: 4405 + 5 * 107 + 23 * 211 + 10 * 61,
}


@pytest.mark.usefixtures("golden")
def test_positions_are_the_day_s_start_and_then_every_fill_with_the_cash_after_it(mart: Mart) -> None:
    rows = mart.execute(
        "SELECT date, action_id, action_type, symbol, amount, price, cash, portfolio_value "
        "FROM positions ORDER BY ALL"
    ).fetchall()
    assert rows == [
        (day(OCT_02), 0, "no_trade", None, None, None, 10000, 10000),
        (day(OCT_02), 1, "buy", "AAPL", 20, 100, 8000, 10000),
        (day(OCT_02), 2, "buy", "MSFT", 10, 200, 6000, 10000),
        (day(OCT_02), 3, "buy", "NVDA", 100, 50, 1000, 10000),
        (day(OCT_03), 0, "no_trade", None, None, None, 1000, 10400),
        (day(OCT_06), 0, "no_trade", None, None, None, 1000, 9925),
        (day(OCT_06), 1, "sell", "AAPL", 15, 110, 2650, 9925),
        (day(OCT_06), 2, "buy", "MSFT", 13, 190, 180, 9925),
        (day(OCT_06), 3, "sell", "NVDA", 100, Decimal("48.25"), 5005, 9925),
        (day(OCT_07), 0, "no_trade", None, None, None, 5005, 10375),
        (day(OCT_07), 1, "buy", "NVDA", 10, 60, 4405, 10375),
    ]


@pytest.mark.usefixtures("golden")
def test_holdings_are_what_is_held_after_every_action_and_nothing_is_held_zero_times(mart: Mart) -> None:
    rows = mart.execute(
        "SELECT date, action_id, map_from_entries(list((symbol, quantity) ORDER BY symbol)) "
        "FROM holdings GROUP BY ALL ORDER BY date, action_id"
    ).fetchall()
    assert rows == [
        (day(OCT_02), 1, {"AAPL": 20}),
        (day(OCT_02), 2, {"AAPL": 20, "MSFT": 10}),
        (day(OCT_02), 3, {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (day(OCT_03), 0, {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (day(OCT_06), 0, {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (day(OCT_06), 1, {"AAPL": 5, "MSFT": 10, "NVDA": 100}),
        (day(OCT_06), 2, {"AAPL": 5, "MSFT": 23, "NVDA": 100}),
        (day(OCT_06), 3, {"AAPL": 5, "MSFT": 23}),
        (day(OCT_07), 0, {"AAPL": 5, "MSFT": 23}),
        (day(OCT_07), 1, {"AAPL": 5, "MSFT": 23, "NVDA": 10}),
    ]


@pytest.mark.usefixtures("golden")
def test_a_day_s_profit_is_counted_from_close_to_close_and_from_the_initial_cash_at_first(mart: Mart) -> None:
    rows = mart.execute(
        "SELECT closing_equity, daily_profit, daily_return_pct, cumulative_profit, cumulative_return_pct "
        "FROM daily_pnl ORDER BY date"
    ).fetchall()
    closes = [EQUITY[date] for date in GOLDEN_DAYS]
    assert closes == [10240, 10450, 9943, 10403]
    for row, base, close in zip(rows, [10000, *closes], closes, strict=False):
        profits = (close, close - base, 100 * (close - base) / base, close - 10000, (close - 10000) / 100)
        assert row == pytest.approx(profits, abs=1e-9)


@pytest.mark.usefixtures("golden")
def test_the_opening_mark_trades_and_days_since_the_last_session_are_the_spec_s(mart: Mart) -> None:
    rows = mart.execute(
        "SELECT opening_equity, trades, days_since_last_session, cash FROM daily_pnl ORDER BY date"
    ).fetchall()
    assert rows == [(10000, 3, 0, 1000), (10400, 0, 1, 1000), (9925, 3, 3, 5005), (10375, 1, 1, 4405)]


@pytest.mark.usefixtures("golden")
def test_marked_at_the_open_the_profits_are_the_reference_server_s(mart: Mart) -> None:
    """Starting value less the value that the day before ended with, both at its own open."""
    rows = mart.execute(
        "SELECT min_by(portfolio_value, action_id), max_by(portfolio_value, action_id) "
        "FROM positions GROUP BY date ORDER BY date"
    ).fetchall()
    ends = [10000, *(end for _, end in rows)]
    profits = [start - end for (start, _), end in zip(rows, ends, strict=False)]
    assert profits == [0, 400, -475, 450]
    returns = [float(100 * profit / end) for profit, end in zip(profits, ends, strict=False)]
    assert returns == pytest.approx([0, 4.0, -4.567307692307692, 4.534005037783375], abs=1e-9)


@pytest.mark.usefixtures("golden")
def test_every_position_repeats_its_day_s_figures(mart: Mart) -> None:
    different = mart.execute(
        "SELECT p.* FROM positions AS p JOIN daily_pnl AS d USING (date, model) WHERE "
        "(p.daily_profit, p.daily_return_pct, p.cumulative_profit, p.cumulative_return_pct) "
        "<> (d.daily_profit, d.daily_return_pct, d.cumulative_profit, d.cumulative_return_pct)"
    ).fetchall()
    assert different == []


def test_writing_the_books_again_changes_nothing_and_appends_nothing(
    mart: Mart, golden: list[SessionRecord]
) -> None:
    tables = ("positions", "holdings", "daily_pnl")
    before = [mart.table(table).order("ALL").fetchall() for table in tables]
    write_books(mart, golden[1:3])
    assert [mart.table(table).order("ALL").fetchall() for table in tables] == before


def test_writing_some_days_leaves_the_others_alone(mart: Mart, golden: list[SessionRecord]) -> None:
    mart.execute("UPDATE daily_pnl SET closing_equity = 1")
    write_books(mart, golden[2:3])
    rows = mart.execute("SELECT closing_equity FROM daily_pnl ORDER BY date").fetchall()
    assert rows == [(1,), (1,), (9943,), (1,)]


# --- what is not known yet ---


def test_a_day_whose_close_is_not_known_has_an_opening_mark_alone(mart: Mart) -> None:
    held(mart, {"AAPL": {OCT_02: ("100", "101"), OCT_03: "102"}}, OCT_02, OCT_03)
    assert mart.execute("SELECT * EXCLUDE (kind, source) FROM daily_pnl WHERE date = ?", [OCT_03]).fetchall() == [
        (day(OCT_03), HOLD, 10000, 10200, None, None, None, None, None, 0, 0, 0, 1, 0)
    ]


def test_a_portfolio_of_cash_waits_for_the_close_as_well(mart: Mart, tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")], {"AAPL": {OCT_02: "100"}})
    load_prices(mart, arena)
    write_books(mart, finished(arena, "cash", [OCT_02]))
    assert mart.execute("SELECT closing_equity, daily_profit FROM daily_pnl").fetchall() == [(None, None)]


def test_a_day_whose_base_is_not_known_is_not_scored_though_its_own_close_is(mart: Mart) -> None:
    quotes: Quotes = {"AAPL": {OCT_02: ("100", "101"), OCT_03: "102", OCT_06: ("103", "104")}}
    held(mart, quotes, OCT_02, OCT_03, OCT_06)
    rows = mart.execute("SELECT closing_equity, daily_profit, daily_return_pct FROM daily_pnl ORDER BY date")
    assert rows.fetchall() == [(10100, 100, 1), (None, None, None), (None, None, None)]


# --- what has no price today ---


def test_a_holding_without_a_bar_today_is_carried_at_its_last_close_and_counted(mart: Mart) -> None:
    quotes = {
        "AAPL": {OCT_02: ("100", "110"), OCT_06: ("130", "140")},
        "MSFT": {OCT_02: ("100", "100"), OCT_03: ("100", "100"), OCT_06: ("100", "100")},
    }
    held(mart, quotes, OCT_02, OCT_03, OCT_06)
    rows = mart.execute(
        "SELECT opening_equity, closing_equity, daily_profit, carried_symbols FROM daily_pnl ORDER BY date"
    ).fetchall()
    assert rows == [(10000, 10500, 500, 0), (10500, 10500, 0, 1), (11500, 12000, 1500, 0)]


def test_a_holding_without_any_price_is_refused_and_named(mart: Mart, tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline(HOLD)])
    records = finished(arena, HOLD, [OCT_02])
    load_prices(mart, arena)
    mart.execute("DELETE FROM prices WHERE symbol = 'NVDA'")
    with pytest.raises(PriceError, match=f"no price at all .*{HOLD} holds NVDA on {OCT_02}"):
        write_books(mart, records)
    assert mart.execute("SELECT count(*) FROM daily_pnl").fetchall() == [(0,)]


def test_a_record_whose_fills_do_not_lead_from_its_start_to_its_end_is_refused(
    mart: Mart, golden: list[SessionRecord]
) -> None:
    record = golden[0]
    wrong = record.model_copy(update={"end": Book(cash=record.end.cash, shares={**record.end.shares, "AAPL": 21})})
    with pytest.raises(StoreError, match=f"the record of {M} on {OCT_02} does not balance"):
        write_books(mart, [wrong])


# --- what has to be scored again ---


def test_days_that_are_scored_on_the_prices_as_they_are_need_no_scoring(
    mart: Mart, golden: list[SessionRecord]
) -> None:
    assert scored_cells(mart) == {Cell(record.date, M) for record in golden}


def test_a_day_whose_close_is_not_known_needs_no_scoring_until_it_is(mart: Mart) -> None:
    held(mart, {"AAPL": {OCT_02: ("100", "101"), OCT_03: "102"}}, OCT_02, OCT_03)
    assert scored_cells(mart) == cells_of(HOLD, (OCT_02, OCT_03))
    mart.execute("UPDATE prices SET close = 103 WHERE date = ?", [OCT_03])
    assert scored_cells(mart) == cells_of(HOLD, OCT_02)


def test_a_day_without_its_transcript_or_with_that_of_an_earlier_launch_is_written_again(mart: Mart) -> None:
    held(mart, {"AAPL": dict.fromkeys((OCT_02, OCT_03, OCT_06), ("100", "101"))}, OCT_02, OCT_03, OCT_06)
    mart.execute("DELETE FROM reasoning_logs WHERE date = ?", [OCT_02])
    mart.execute("UPDATE reasoning_logs SET job_id = 'earlier' WHERE date = ?", [OCT_03])
    assert scored_cells(mart) == cells_of(HOLD, OCT_06)


RESTATEMENTS = {
    "the close of a day": ("UPDATE prices SET close = close + 1 WHERE date = '2025-10-03'", (OCT_02, OCT_07)),
    "the close of the last day": (
        "UPDATE prices SET close = close + 1 WHERE date = '2025-10-07'",
        GOLDEN_DAYS[:3],
    ),
    "the open of a day": ("UPDATE prices SET open = open + 1 WHERE date = '2025-10-06'", (OCT_02, OCT_03, OCT_07)),
    "the open of a day that began with cash": (
        "UPDATE prices SET open = open + 1 WHERE date = '2025-10-02'",
        (OCT_03, OCT_06, OCT_07),
    ),
    "a symbol that is not held": (
        "UPDATE prices SET close = 1 WHERE symbol = 'NVDA' AND date = '2025-10-06'",
        GOLDEN_DAYS,
    ),
    "a bar that is gone": (
        "DELETE FROM prices WHERE symbol = 'AAPL' AND date = '2025-10-07'",
        GOLDEN_DAYS[:3],
    ),
}


@pytest.mark.usefixtures("golden")
@pytest.mark.parametrize(("restated", "unmoved"), RESTATEMENTS.values(), ids=RESTATEMENTS)
def test_a_restated_price_moves_the_days_that_it_marks_and_no_other(
    mart: Mart, restated: str, unmoved: tuple[str, ...]
) -> None:
    mart.execute(restated)
    assert scored_cells(mart) == cells_of(M, unmoved)


def test_days_that_are_forgotten_leave_no_row(mart: Mart, golden: list[SessionRecord]) -> None:
    forget_cells(mart, cells_of(M, (OCT_06, OCT_07)))
    for table in ("positions", "holdings", "daily_pnl"):
        dates = mart.table(table).project("date").distinct().order("date").fetchall()
        assert dates == [(day(OCT_02),), (day(OCT_03),)], table
    write_books(mart, golden)
    assert scored_cells(mart) == cells_of(M, GOLDEN_DAYS)
