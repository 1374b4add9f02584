"""Corporate actions before the open: what they make of what is held, and what a trader is told of it."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline_tests.markets import (
    TEN_DAYS,
    Quotes,
    assert_whole_chain,
    baseline,
    book_of,
    day,
    finished,
    new_arena,
)

HOLD = "buy_and_hold"
FIRST, SECOND, THIRD, FOURTH, FIFTH = TEN_DAYS[:5]
# Nobody can afford it; it keeps a day without a bar of AAPL a session.
DEAR = dict.fromkeys(TEN_DAYS[1:], ("1000000", "1000000"))


def quoted(**prices: str) -> dict[str, tuple[str, str]]:
    """Bars at one price all day, by the session's number; there is none of the others."""
    days = dict(zip(("first", "second", "third", "fourth", "fifth"), TEN_DAYS, strict=False))
    return {days[name]: (price, price) for name, price in prices.items()}


def arena_of(folder: Path, quotes: Quotes, *actions: str, **settings: Any) -> Arena:
    settings = {"initial_cash": 10_000, "stock_symbols": ["AAPL", "DEAR"], **settings}
    return new_arena(folder, [baseline(HOLD)], {"DEAR": DEAR, **quotes}, actions=actions, **settings)


def held(folder: Path, days: Sequence[str], quotes: Quotes, *actions: str, **settings: Any) -> list[SessionRecord]:
    """Run a portfolio that spends all on AAPL on the first day and holds it."""
    return finished(arena_of(folder, quotes, *actions, **settings), HOLD, days)


def events_of(record: SessionRecord) -> list[tuple[Any, ...]]:
    return [(e.action_id, e.type, e.symbol, e.amount, e.price, e.cash) for e in record.events]


def told(record: SessionRecord) -> list[str]:
    """What the prompt says of corporate actions."""
    before = "Before today's open: "
    lines = record.messages[0].content.splitlines()
    return [line.removeprefix(before) for line in lines if line.startswith(before)]


def line_of(record: SessionRecord, start: str) -> str:
    [line] = [line for line in record.messages[0].content.splitlines() if line.startswith(start)]
    return line


HALVED = {"AAPL": quoted(first="100", second="50", third="50")}


def test_a_split_multiplies_the_shares_before_the_open_and_changes_no_equity(tmp_path: Path) -> None:
    first, second, third = held(tmp_path, (FIRST, SECOND, THIRD), HALVED, f"AAPL,{SECOND},split,2")
    assert book_of(first) == (0, {"AAPL": 100})
    assert (second.start.shares, book_of(second)) == ({"AAPL": 100}, (0, {"AAPL": 200}))
    assert events_of(second) == [(1, "split", "AAPL", 200, None, 0)]
    assert (second.fills, third.events) == ((), ())
    assert line_of(second, "Portfolio value") == "Portfolio value at today's open: 10000"
    assert told(second) == ["AAPL split 2:1: 100 -> 200 shares"]
    assert line_of(second, "AAPL: ") == "AAPL: 200 shares"
    assert line_of(third, "Profit of the previous session") == f"Profit of the previous session ({SECOND}): 0"


def test_the_close_before_a_split_is_shown_as_what_it_is(tmp_path: Path) -> None:
    _, second, third = held(tmp_path, (FIRST, SECOND, THIRD), HALVED, f"AAPL,{SECOND},split,2")
    assert line_of(second, "AAPL, ") == "AAPL, 100 (before a split 2:1), 50"
    assert line_of(third, "AAPL, ") == "AAPL, 50, 50"


def test_fills_are_numbered_after_the_actions_of_the_day(tmp_path: Path) -> None:
    lines = (f"AAPL,{SECOND},split,2", f"AAPL,{SECOND},dividend,1")
    arena = new_arena(
        tmp_path, [baseline("equal_weight", rebalance_sessions=1)], HALVED, actions=lines, initial_cash=10_000
    )
    _, second = finished(arena, "equal_weight", (FIRST, SECOND))
    assert [(action.action_id, action.type, action.amount) for action in second.actions] == [
        (1, "dividend", 100),
        (2, "split", 200),
        (3, "buy", 2),
    ]


def test_a_reverse_split_pays_the_fraction_at_today_s_open(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100", second="1000")}
    _, second = held(tmp_path, (FIRST, SECOND), quotes, f"AAPL,{SECOND},split,0.1", initial_cash=10_570)
    assert events_of(second) == [(1, "split", "AAPL", 10, 1000, 570)]
    assert book_of(second) == (570, {"AAPL": 10})
    assert told(second) == ["AAPL split 1:10: 105 -> 10 shares, and 1000 for each share of the fraction"]


def test_a_third_that_a_vendor_rounds_is_a_third(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100", second="300.3")}
    _, second = held(tmp_path, (FIRST, SECOND), quotes, f"AAPL,{SECOND},split,0.3333")
    assert book_of(second) == (Decimal("100.1"), {"AAPL": 33})


def test_a_split_that_leaves_less_than_a_share_is_all_cash(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="9000", second="180000")}
    _, second = held(tmp_path, (FIRST, SECOND), quotes, f"AAPL,{SECOND},split,0.05")
    assert book_of(second) == (10_000, {})


def test_without_an_open_the_fraction_is_paid_at_the_last_close_as_the_split_has_made_it(tmp_path: Path) -> None:
    quotes = {"AAPL": {FIRST: ("100", "110"), FOURTH: ("1100", "1100")}}
    days = (FIRST, SECOND, THIRD)
    _, second, third = held(tmp_path, days, quotes, f"AAPL,{SECOND},split,0.1", initial_cash=10_500)
    # 105 shares at 110 before it; half a share of 1100 after it.
    assert events_of(second) == [(1, "split", "AAPL", 10, 1100, 550)]
    for record in (second, third):
        assert line_of(record, "Portfolio value") == "Portfolio value at today's open: 11550"
    assert line_of(third, "Profit of the previous session") == f"Profit of the previous session ({SECOND}): 0"


def test_a_dividend_is_paid_on_the_shares_of_before_the_ex_date(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100", second="99.5")}
    first, second = held(tmp_path, (FIRST, SECOND), quotes, f"AAPL,{SECOND},dividend,0.123456")
    assert (first.events, events_of(second)) == (
        (),
        [(1, "dividend", "AAPL", 100, Decimal("0.123456"), Decimal("12.3456"))],
    )
    assert told(second) == ["AAPL dividend 0.123456 per share: 100 shares paid in cash"]
    assert line_of(second, "Cash: ") == "Cash: 12.3456"


def test_what_is_bought_on_the_ex_date_is_paid_nothing(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100", second="100")}
    first, second = held(tmp_path, (FIRST, SECOND), quotes, f"AAPL,{FIRST},dividend,1", f"AAPL,{FIRST},split,2")
    assert (first.events, second.events) == ((), ())


def test_a_dividend_on_the_day_of_a_split_is_per_share_of_before_it(tmp_path: Path) -> None:
    lines = (f"AAPL,{SECOND},split,2", f"AAPL,{SECOND},dividend,1")
    _, second = held(tmp_path, (FIRST, SECOND), HALVED, *lines)
    assert [(e[1], e[3], e[5]) for e in events_of(second)] == [("dividend", 100, 100), ("split", 200, 100)]


def test_what_happened_to_others_is_not_applied(tmp_path: Path) -> None:
    _, second = held(tmp_path, (FIRST, SECOND), HALVED, f"DEAR,{SECOND},split,2", f"MSFT,{SECOND},dividend,1")
    assert second.events == ()


def test_an_ex_date_between_two_sessions_applies_at_the_next_open(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100", second="100", third="50")}
    # A Saturday.
    records = held(tmp_path, (FIRST, SECOND, THIRD), quotes, "AAPL,2025-10-04,split,2")
    assert [len(record.events) for record in records] == [0, 0, 1]


def test_a_chain_over_a_gap_gets_all_that_happened_in_it_in_order(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="1000", second="667", third="666", fourth="660", fifth="330")}
    arena = arena_of(
        tmp_path,
        quotes,
        f"AAPL,{FOURTH},split,2",
        f"AAPL,{SECOND},split,1.5",
        f"AAPL,{THIRD},dividend,2",
        initial_cash=9_000,
        missing_session="carry",
    )
    finished(arena, HOLD, FIRST)
    [fifth] = finished(arena, HOLD, FIFTH, launch="launch-2")
    # Half a share of then is a whole one of now: 660 of today's money.
    assert events_of(fifth) == [
        (1, "split", "AAPL", 13, 660, 330),
        (2, "dividend", "AAPL", 13, 2, 356),
        (3, "split", "AAPL", 26, None, 356),
    ]
    worth = 9 * 3 * 330 + 13 * 2
    assert line_of(fifth, "Portfolio value") == f"Portfolio value at today's open: {worth}"


def test_a_symbol_change_moves_the_shares_and_they_can_be_traded_under_the_new_one(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100"), "APPL": quoted(second="101", third="102")}
    arena = arena_of(tmp_path, quotes, f"AAPL,{SECOND},symbol_change,,APPL")
    _, second, third = finished(arena, HOLD, (FIRST, SECOND, THIRD))
    assert events_of(second) == [(1, "symbol_change", "AAPL", 100, None, 0)]
    assert second.events[0].new_symbol == "APPL"
    assert book_of(second) == book_of(third) == (0, {"APPL": 100})
    assert told(second) == ["AAPL is now APPL: 100 shares"]
    assert line_of(second, "Portfolio value") == "Portfolio value at today's open: 10100"
    assert line_of(third, "Profit of the previous session") == f"Profit of the previous session ({SECOND}): 100"
    assert_whole_chain(arena, HOLD, (FIRST, SECOND, THIRD))


def test_a_symbol_change_waits_until_the_new_symbol_is_traded(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100"), "APPL": quoted(fourth="101")}
    records = held(tmp_path, TEN_DAYS[:4], quotes, f"AAPL,{SECOND},symbol_change,,APPL")
    assert [record.end.shares for record in records] == [{"AAPL": 100}] * 3 + [{"APPL": 100}]


def test_a_ticker_that_has_gone_to_another_company_takes_nobody_along(tmp_path: Path) -> None:
    # Bought as AAPL after the old AAPL had become APPL.
    quotes: Quotes = {
        "AAPL": quoted(second="100", fourth="100"),
        "APPL": quoted(second="7", third="7", fourth="7"),
        "DEAR": dict.fromkeys(TEN_DAYS, ("1000000", "1000000")),
    }
    records = held(tmp_path, TEN_DAYS[:4], quotes, f"AAPL,{FIRST},symbol_change,,APPL")
    assert [record.end.shares for record in records] == [{}] + [{"AAPL": 50}] * 3


def test_a_symbol_change_and_a_split_under_the_new_symbol_in_one_gap_both_apply(tmp_path: Path) -> None:
    quotes = {"AAPL": quoted(first="100"), "APPL": quoted(second="100", third="50")}
    arena = arena_of(
        tmp_path, quotes, f"AAPL,{SECOND},symbol_change,,APPL", f"APPL,{THIRD},split,2", missing_session="carry"
    )
    finished(arena, HOLD, FIRST)
    [third] = finished(arena, HOLD, THIRD, launch="launch-2")
    assert book_of(third) == (0, {"APPL": 200})


GONE = {"AAPL": {FIRST: ("100", "40")}}


def test_a_delisted_holding_is_carried_at_its_last_close_by_default(tmp_path: Path) -> None:
    _, second = held(tmp_path, (FIRST, SECOND), GONE, f"AAPL,{SECOND},delisting,")
    assert events_of(second) == [(1, "delisting", "AAPL", 0, None, 0)]
    assert book_of(second) == (0, {"AAPL": 100})
    assert told(second) == ["AAPL is no longer traded: 100 shares are kept at the last close"]
    assert line_of(second, "Portfolio value") == "Portfolio value at today's open: 4000"


@pytest.mark.parametrize(("value", "cash"), [("", 4000), ("54.2", 5420), ("0", 0)])
def test_a_delisted_holding_is_sold_where_the_config_says_so(tmp_path: Path, value: str, cash: int) -> None:
    _, second = held(
        tmp_path, (FIRST, SECOND), GONE, f"AAPL,{SECOND},delisting,{value}", market={"delisted": "close"}
    )
    assert book_of(second) == (cash, {})
    [event] = second.events
    assert (event.amount, event.price, event.cash) == (100, Decimal(cash) / 100, Decimal(cash))
    assert told(second)[0].startswith("AAPL is no longer traded: 100 shares sold at ")


def test_tomorrow_s_action_changes_nothing_today(tmp_path: Path) -> None:
    essences = []
    for number, actions in enumerate([(), (f"AAPL,{THIRD},split,2", f"AAPL,{THIRD},symbol_change,,APPL")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        records = held(folder, (FIRST, SECOND), {"AAPL": quoted(first="100", second="100")}, *actions)
        essences.append([record.essence() for record in records])
    assert essences[0] == essences[1]


def test_a_view_holds_no_action_of_after_its_day(tmp_path: Path) -> None:
    arena = arena_of(tmp_path, HALVED, f"AAPL,{SECOND},split,2", f"AAPL,{THIRD},dividend,1")
    assert [len(arena.view(day(date)).actions) for date in (FIRST, SECOND, THIRD)] == [0, 1, 2]


def test_a_record_of_a_day_without_actions_is_what_it_was_before_there_were_any(tmp_path: Path) -> None:
    [record] = held(tmp_path, [FIRST], HALVED)
    assert set(record.model_dump(mode="json")["actions"][0]) == {
        "action_id", "type", "symbol", "amount", "price", "costs", "cash", "step"
    }  # fmt: skip


def test_rules_over_past_returns_see_no_crash_in_a_split(tmp_path: Path) -> None:
    # AAPL rises by a tenth and splits 2:1; ZZZ rises by a hundredth.
    quotes = {
        "AAPL": {FIRST: ("100", "100"), SECOND: ("55", "55"), THIRD: ("55", "55")},
        "ZZZ": {FIRST: ("1", "1"), SECOND: ("1.01", "1.01"), THIRD: ("1.01", "1.01")},
    }
    rules = [baseline(name, lookback=1, top=1) for name in ("momentum", "mean_reversion")]
    arena = new_arena(tmp_path, rules, quotes, actions=[f"AAPL,{SECOND},split,2"])
    chosen = {rule["name"]: finished(arena, rule["name"], (FIRST, SECOND, THIRD))[-1].end.shares for rule in rules}
    assert {name: set(shares) for name, shares in chosen.items()} == {
        "momentum": {"AAPL"},
        "mean_reversion": {"ZZZ"},
    }
