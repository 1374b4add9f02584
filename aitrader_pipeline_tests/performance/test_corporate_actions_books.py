"""Corporate actions in the books: rows of their own, marks, scores, and identities that tell of wrong ones."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.market.actions_table import save_actions
from aitrader_pipeline.market.prices import save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.sources.actions_csv import configured_actions
from aitrader_pipeline.performance.books import scored_cells, write_books
from aitrader_pipeline.performance.identities import IDENTITIES, violations
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.transcripts import write_transcripts
from aitrader_pipeline_tests.markets import TEN_DAYS, Quotes, baseline, cells_of, day, finished, new_arena

Mart = duckdb.DuckDBPyConnection
EQUAL = "equal_weight"
FIRST, SECOND, THIRD, FOURTH = TEN_DAYS[:4]
DAYS = (FIRST, SECOND, THIRD, FOURTH)
# AAPL splits 1:10 and pays on the same day, without a bar; then it is renamed; then it is gone.
QUOTES: Quotes = {
    "AAPL": {FIRST: ("100", "110")},
    "APPL": {THIRD: ("1050", "1070")},
    "DEAR": dict.fromkeys(DAYS[1:], ("1000000", "1000000")),
}
ACTIONS = (
    f"AAPL,{SECOND},dividend,2",
    f"AAPL,{SECOND},split,0.1",
    f"AAPL,{THIRD},symbol_change,,APPL",
    f"APPL,{FOURTH},delisting,1060",
)


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[Mart]:
    with duckdb.connect(str(tmp_path / "arena.duckdb")) as con:
        migrate(con)
        yield con


def load(mart: Mart, arena: Arena) -> None:
    market, now = arena.config.market, dt.datetime.now(dt.UTC)
    save_prices(mart, open_source(market.source, market.path).read(market.calendar), now)
    actions = configured_actions(market)
    assert actions is not None
    save_actions(mart, actions, now, is_whole=True)


@pytest.fixture
def booked(mart: Mart, tmp_path: Path) -> Mart:
    """A portfolio to whose only holding all of it happens, written into the mart."""
    arena = new_arena(
        tmp_path,
        [baseline("buy_and_hold")],
        QUOTES,
        actions=ACTIONS,
        market={"delisted": "close"},
        stock_symbols=["AAPL", "DEAR"],
        initial_cash=10_570,
    )
    records = finished(arena, "buy_and_hold", DAYS)
    load(mart, arena)
    write_books(mart, records)
    write_transcripts(mart, records)
    return mart


def broken(con: Mart) -> dict[str, list[str]]:
    return {identity.name: found for identity in IDENTITIES if (found := violations(con, identity))}


def test_every_action_is_a_row_with_what_it_paid_and_the_cash_after_it(booked: Mart) -> None:
    rows = booked.execute(
        "SELECT date, action_id, action_type, symbol, amount, price, cash, ratio, new_symbol FROM positions "
        "WHERE date > ? ORDER BY date, action_id",
        [FIRST],
    ).fetchall()
    assert rows == [
        (day(SECOND), 0, "no_trade", None, None, None, 70, None, None),
        (day(SECOND), 1, "dividend", "AAPL", 105, 2, 280, None, None),
        (day(SECOND), 2, "split", "AAPL", 10, 1100, 830, Decimal("0.1"), None),
        (day(THIRD), 0, "no_trade", None, None, None, 830, None, None),
        (day(THIRD), 1, "symbol_change", "AAPL", 10, None, 830, None, "APPL"),
        (day(FOURTH), 0, "no_trade", None, None, None, 830, None, None),
        (day(FOURTH), 1, "delisting", "APPL", 10, 1060, 11430, None, None),
    ]


def test_holdings_are_what_is_held_after_every_action(booked: Mart) -> None:
    rows = booked.execute(
        "SELECT date, action_id, symbol, quantity FROM holdings WHERE date > ? ORDER BY ALL", [FIRST]
    ).fetchall()
    assert rows == [
        (day(SECOND), 0, "AAPL", 105),
        (day(SECOND), 1, "AAPL", 105),
        (day(SECOND), 2, "AAPL", 10),
        (day(THIRD), 0, "AAPL", 10),
        (day(THIRD), 1, "APPL", 10),
        (day(FOURTH), 0, "APPL", 10),
    ]


def test_a_day_opens_with_what_it_is_worth_after_its_actions_and_is_scored_from_the_close_before(
    booked: Mart,
) -> None:
    rows = booked.execute(
        "SELECT opening_equity, closing_equity, daily_profit, trades, costs, cash, carried_symbols "
        "FROM daily_pnl ORDER BY date"
    ).fetchall()
    # On the second day 105 shares at 110 are ten at 1100 and half a one in cash, and 210 are paid on them.
    held = 70 + 105 * 110
    assert rows == [
        (10570, held, held - 10570, 1, 0, 70, 0),
        (held + 210, held + 210, 210, 0, 0, 830, 1),
        (830 + 10 * 1050, 830 + 10 * 1070, 830 + 10 * 1070 - held - 210, 0, 0, 830, 0),
        (11430, 11430, -100, 0, 0, 11430, 0),
    ]


def test_up_to_the_last_action_a_row_is_marked_as_after_it(booked: Mart) -> None:
    rows = booked.execute(
        "SELECT date, list(portfolio_value ORDER BY action_id) FROM positions GROUP BY date ORDER BY date"
    ).fetchall()
    assert [values for _, values in rows] == [[10570] * 2, [11830] * 3, [11330] * 2, [11430] * 2]


def test_every_identity_holds_and_nothing_has_to_be_scored_again(booked: Mart) -> None:
    assert broken(booked) == {}
    assert scored_cells(booked) == cells_of("buy_and_hold", DAYS)


def test_a_day_with_fills_after_its_actions_counts_the_fills_alone(mart: Mart, tmp_path: Path) -> None:
    quotes: Quotes = {"AAPL": {FIRST: ("100", "100"), SECOND: ("50", "52")}}
    arena = new_arena(
        tmp_path,
        [baseline(EQUAL, rebalance_sessions=1)],
        quotes,
        actions=(f"AAPL,{SECOND},split,2", f"AAPL,{SECOND},dividend,1"),
        costs={"per_order": "7.5"},
        initial_cash="10007.5",
    )
    records = finished(arena, EQUAL, (FIRST, SECOND))
    load(mart, arena)
    write_books(mart, records)
    # A dividend of 100 buys a share of 50 and its costs, with 42.5 left.
    assert [action.type for action in records[1].actions] == ["dividend", "split", "buy"]
    query = "SELECT trades, costs, opening_equity, cash, closing_equity FROM daily_pnl ORDER BY date"
    assert mart.execute(query).fetchall()[1] == (1, Decimal("7.5"), 10100, Decimal("42.5"), Decimal("10494.5"))
    assert broken(mart) == {}


def test_a_close_of_days_before_is_carried_over_a_split_by_the_day_s_profit_too(
    mart: Mart, tmp_path: Path
) -> None:
    quotes: Quotes = {
        "AAPL": {FIRST: ("100", "110"), FOURTH: ("40", "40")},
        "DEAR": dict.fromkeys(DAYS[1:], ("1000000", "1000000")),
    }
    arena = new_arena(
        tmp_path, [baseline("buy_and_hold")], quotes, actions=(f"AAPL,{SECOND},split,3",), initial_cash=10_000
    )
    records = finished(arena, "buy_and_hold", DAYS)
    load(mart, arena)
    write_books(mart, records)
    # A third of 110 is rounded to the millionth.
    carried = 300 * Decimal("36.666667")
    query = "SELECT closing_equity, daily_profit FROM daily_pnl ORDER BY date"
    assert mart.execute(query).fetchall() == [
        (11000, 1000),
        (carried, carried - 11000),
        (carried, 0),
        (12000, 12000 - carried),
    ]
    assert broken(mart) == {}


CORRUPTIONS: dict[str, tuple[str, list[str]]] = {
    "a dividend that is not all there": (
        "UPDATE positions SET price = 3 WHERE action_type = 'dividend'",
        [f"buy_and_hold on {SECOND}: action 1: cash changed by 210.000000, not 315.000000"],
    ),
    "a dividend on shares that were not held": (
        "UPDATE positions SET amount = 210, price = 1 WHERE action_type = 'dividend'",
        [f"buy_and_hold on {SECOND}: action 1: the dividend is paid on 210 AAPL, not 105"],
    ),
    "a fraction that is paid too well": (
        "UPDATE positions SET price = 1200 WHERE action_type = 'split'",
        [f"buy_and_hold on {SECOND}: action 2: cash changed by 550.000000, not 600.000000"],
    ),
    "a split that leaves a share too many": (
        "UPDATE positions SET ratio = 0.095, price = 0, cash = 280 WHERE action_type = 'split'",
        [f"buy_and_hold on {SECOND}: action 2: a split of 105 AAPL leaves 10, not 9"],
    ),
    "shares that a split does not explain": (
        "UPDATE holdings SET quantity = 11 WHERE action_id = 2",
        [f"buy_and_hold on {SECOND}: action 2: AAPL changed by -94, not -95"],
    ),
    "a symbol change to nothing": (
        "UPDATE positions SET new_symbol = 'MSFT' WHERE action_type = 'symbol_change'",
        [
            f"buy_and_hold on {THIRD}: action 1: APPL changed by 10, not 0",
            f"buy_and_hold on {THIRD}: action 1: MSFT changed by 0, not 10",
        ],
    ),
    "a delisting that pays too little": (
        "UPDATE positions SET price = 1061 WHERE action_type = 'delisting'",
        [f"buy_and_hold on {FOURTH}: action 1: cash changed by 10600.000000, not 10610.000000"],
    ),
}


@pytest.mark.parametrize(("corruption", "told"), CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_an_action_that_does_not_add_up_is_told_with_its_numbers(
    booked: Mart, corruption: str, told: list[str]
) -> None:
    booked.execute(corruption)
    assert broken(booked).get("fills_balance") == told


def test_a_chain_that_does_not_open_with_what_the_day_before_closed_with_is_told(booked: Mart) -> None:
    booked.execute("UPDATE holdings SET quantity = 9 WHERE date = ? AND action_id = 2", [SECOND])
    assert [line.split(":")[0] for line in broken(booked)["sessions_link"]] == [f"buy_and_hold on {THIRD}"]
