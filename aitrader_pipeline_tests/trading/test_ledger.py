"""The ledger: every order fills as a whole or is refused as a whole, and money is exact."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.market.actions import parse_action
from aitrader_pipeline.money import UNIT, money, money_text
from aitrader_pipeline.trading.ledger import CostModel, Fill, Ledger, Portfolio, Refusal, RefusalCode

NO_HOLDINGS: Mapping[str, int] = {}


def usd(text: str) -> Decimal:
    return Decimal(text)


def opened(
    prices: Mapping[str, str | None],
    cash: str = "10000",
    shares: Mapping[str, int] = NO_HOLDINGS,
    costs: CostModel | None = None,
    universe: frozenset[str] | None = None,
) -> Ledger:
    """A book on the given prices; None is a symbol that cannot be traded today."""
    exact = {symbol: Decimal(price) for symbol, price in prices.items() if price is not None}
    return Ledger(
        Portfolio(usd(cash), shares),
        universe=frozenset(prices) if universe is None else universe,
        price_of=exact.get,
        costs=costs,
    )


def cash_after(outcome: Fill | Refusal) -> Decimal:
    assert isinstance(outcome, Fill), outcome
    return outcome.cash


def refused(outcome: Fill | Refusal) -> tuple[str, dict[str, Any]]:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code.value, dict(outcome.details)


# ---- the golden four days

OPENS = {
    dt.date(2025, 10, 2): {"AAPL": "100", "MSFT": "200", "NVDA": "50"},
    dt.date(2025, 10, 3): {"AAPL": "105", "MSFT": "195", "NVDA": "53.5"},
    dt.date(2025, 10, 6): {"AAPL": "110", "MSFT": "190", "NVDA": "48.25"},
    dt.date(2025, 10, 7): {"AAPL": "108", "MSFT": "210", "NVDA": "60"},
}


def book_of(day: int, portfolio: Portfolio) -> Ledger:
    prices = {symbol: Decimal(price) for symbol, price in OPENS[dt.date(2025, 10, day)].items()}
    return Ledger(portfolio, universe=frozenset(prices), price_of=prices.get)


def value_at_open(day: int, portfolio: Portfolio) -> Decimal:
    prices = OPENS[dt.date(2025, 10, day)]
    return portfolio.value(lambda symbol: Decimal(prices[symbol]))


def test_the_golden_four_days_end_with_the_cash_and_holdings_of_the_specification() -> None:
    first = book_of(2, Portfolio(usd("10000")))
    assert cash_after(first.buy("AAPL", 20)) == 8000
    assert cash_after(first.buy("MSFT", 10)) == 6000
    assert refused(first.buy("NVDA", 121)) == ("insufficient_cash", {"required": 6050, "available": 6000})
    assert cash_after(first.buy("NVDA", 100)) == 1000

    second = book_of(3, first.portfolio)
    assert value_at_open(3, second.portfolio) == 10400

    third = book_of(6, second.portfolio)
    assert value_at_open(6, third.portfolio) == 9925
    assert cash_after(third.sell("AAPL", 15)) == 2650
    assert cash_after(third.buy("MSFT", 13)) == 180
    assert refused(third.sell("NVDA", 101)) == ("insufficient_shares", {"have": 100, "want": 101})
    assert cash_after(third.sell("NVDA", 100)) == 5005
    assert third.portfolio == Portfolio(usd("5005"), {"AAPL": 5, "MSFT": 23})

    fourth = book_of(7, third.portfolio)
    assert value_at_open(7, fourth.portfolio) == 10375
    assert refused(fourth.sell("NVDA", 1)) == ("no_position", {"have": 0, "want": 1})
    assert cash_after(fourth.buy("NVDA", 10)) == 4405
    assert fourth.portfolio == Portfolio(usd("4405"), {"AAPL": 5, "MSFT": 23, "NVDA": 10})
    assert [len(book.fills) for book in (first, second, third, fourth)] == [3, 0, 3, 1]
    assert [len(book.refusals) for book in (first, second, third, fourth)] == [1, 0, 1, 1]


def test_the_golden_four_days_give_the_open_marked_profits_of_the_specification() -> None:
    after_first = Portfolio(usd("1000"), {"AAPL": 20, "MSFT": 10, "NVDA": 100})
    after_third = Portfolio(usd("5005"), {"AAPL": 5, "MSFT": 23})
    value_before = value_at_open(2, after_first)
    assert value_before == 10000
    steps = [(3, after_first), (6, after_first), (7, after_third)]
    profits, returns = [], []
    for day, held in steps:
        value = value_at_open(day, held)
        profits.append(value - value_before)
        returns.append(float(100 * (value - value_before) / value_before))
        value_before = value
    assert profits == [400, -475, 450]
    assert returns == pytest.approx([4.0, -4.567307692307692, 4.534005037783375], abs=1e-12)


# ---- the acceptance cases under "Trades"


def test_the_proceeds_of_a_sale_are_usable_at_once() -> None:
    book = opened({"AAPL": "200", "MSFT": "150"}, cash="500", shares={"AAPL": 10})
    assert cash_after(book.sell("AAPL", 3)) == 1100
    assert book.portfolio.shares == {"AAPL": 7}
    assert cash_after(book.buy("MSFT", 7)) == 50


def test_the_second_of_two_buys_sees_the_cash_that_the_first_left() -> None:
    book = opened({"MSFT": "528.29", "NVDA": "185.5"})
    assert cash_after(book.buy("MSFT", 11)) == usd("4188.81")
    code, numbers = refused(book.buy("NVDA", 32))
    assert code == "insufficient_cash"
    assert numbers == {"required": usd("5936.0"), "available": usd("4188.81")}
    assert book.portfolio == Portfolio(usd("4188.81"), {"MSFT": 11})


def test_of_fifteen_buys_the_first_eight_fill_and_the_rest_are_refused() -> None:
    prices = {
        "MSFT": "528.285", "GOOGL": "248.27", "NVDA": "186.23", "LRCX": "149.23", "AVGO": "337.025",
        "AMZN": "220.88", "AMD": "214.85", "CRWD": "497.0", "QCOM": "169.9", "META": "717.72",
    }  # fmt: skip
    orders = [
        ("MSFT", 3), ("GOOGL", 6), ("NVDA", 10), ("LRCX", 6), ("AVGO", 2), ("AMZN", 5), ("MSFT", 2), ("AMD", 4),
        ("CRWD", 1), ("QCOM", 4), ("META", 1), ("NVDA", 20), ("NVDA", 13), ("NVDA", 20), ("NVDA", 53),
    ]  # fmt: skip
    book = opened(prices)
    outcomes = []
    for symbol, amount in orders:
        outcomes.append(book.buy(symbol, amount))
        assert book.portfolio.cash >= 0
    assert all(isinstance(outcome, Fill) for outcome in outcomes[:8])
    assert [refused(outcome)[0] for outcome in outcomes[8:]] == ["insufficient_cash"] * 7
    assert book.portfolio.cash == usd("473.425")
    assert book.portfolio.shares["MSFT"] == 5


def test_buying_and_selling_the_same_leaves_the_cash_and_no_holding() -> None:
    book = opened({"AAPL": "187.123456"})
    book.buy("AAPL", 2)
    assert cash_after(book.sell("AAPL", 2)) == 10000
    assert book.portfolio == Portfolio(usd("10000"))
    assert refused(book.sell("AAPL", 1)) == ("no_position", {"have": 0, "want": 1})


def test_a_portfolio_of_20000_buys_what_it_can_pay() -> None:
    assert cash_after(opened({"NVDA": "185.5"}, cash="20000").buy("NVDA", 60)) == 8870


def test_exact_cash_is_enough_and_a_millionth_less_is_not() -> None:
    assert cash_after(opened({"AAPL": "100.000001"}, cash="300.000003").buy("AAPL", 3)) == 0
    short = opened({"AAPL": "100.000001"}, cash="300.000002").buy("AAPL", 3)
    assert refused(short) == (
        "insufficient_cash",
        {"required": usd("300.000003"), "available": usd("300.000002")},
    )


# ---- refusals


@pytest.mark.parametrize(
    "amount",
    ["3", "", 2.5, -5, 0, -0.0, None, True, False, [1], {"n": 1}, float("nan"), float("inf"), 1e300, 10**16],
    ids=repr,
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_amount_that_is_no_whole_number_of_shares_is_invalid(side: str, amount: object) -> None:
    book = opened({"AAPL": "100"}, shares={"AAPL": 10}, costs=CostModel(bps=Decimal(10)))
    outcome = getattr(book, side)("AAPL", amount)
    assert refused(outcome) == ("invalid_amount", {})
    assert book.portfolio == Portfolio(usd("10000"), {"AAPL": 10})
    assert "whole number of shares" in outcome.message


@pytest.mark.parametrize(
    ("price", "required"), [("999999.999999", "1999999999998E9"), ("999999999999", "1999999999998E15")]
)
def test_a_huge_order_is_refused_with_its_numbers_whatever_the_costs(price: str, required: str) -> None:
    book = opened({"AAPL": price}, costs=CostModel(bps=Decimal(10_000)))
    code, numbers = refused(book.buy("AAPL", 10**15))
    assert code == "insufficient_cash"
    assert numbers == {"required": usd(required), "available": 10000}


def test_json_has_one_kind_of_number_so_3_0_is_three_shares() -> None:
    outcome = opened({"AAPL": "100"}).buy("AAPL", 3.0)
    assert isinstance(outcome, Fill)
    assert outcome.amount == 3
    assert type(outcome.amount) is int


@pytest.mark.parametrize("symbol", ["aapl", " AAPL ", "\tAapl\n"])
def test_symbols_are_matched_without_regard_to_case_and_surrounding_space(symbol: str) -> None:
    book = opened({"AAPL": "100"})
    outcome = book.buy(symbol, 1)
    assert isinstance(outcome, Fill)
    assert outcome.symbol == "AAPL"
    assert book.portfolio.shares == {"AAPL": 1}


@pytest.mark.parametrize("symbol", ["TSLA", "", "   ", "A A P L", None, 7, ["AAPL"]], ids=repr)
def test_a_symbol_outside_the_universe_is_unknown(symbol: object) -> None:
    book = opened({"AAPL": "100"})
    assert refused(book.buy(symbol, 1)) == ("unknown_symbol", {})
    assert refused(book.sell(symbol, 1)) == ("unknown_symbol", {})


def test_a_symbol_without_a_price_today_can_be_neither_bought_nor_sold() -> None:
    book = opened({"AAPL": None}, shares={"AAPL": 5})
    assert refused(book.buy("AAPL", 1)) == ("no_price", {})
    assert refused(book.sell("AAPL", 1)) == ("no_price", {})
    assert book.portfolio.shares == {"AAPL": 5}


def test_what_is_held_can_be_sold_after_it_left_the_universe() -> None:
    book = opened({"AAPL": "100", "OLD": "10"}, shares={"OLD": 5}, universe=frozenset({"AAPL"}))
    assert cash_after(book.sell("OLD", 5)) == 10050
    assert refused(book.sell("OLD", 1)) == ("unknown_symbol", {})


def test_every_refusal_code_has_the_name_that_models_are_told() -> None:
    assert {code.value for code in RefusalCode} == {
        "unknown_symbol",
        "no_price",
        "insufficient_cash",
        "no_position",
        "insufficient_shares",
        "invalid_amount",
    }


def test_a_refusal_keeps_what_was_ordered_and_a_fill_and_a_refusal_are_kept_in_order() -> None:
    book = opened({"AAPL": "100"})
    outcomes = [book.buy("AAPL", 200), book.buy("AAPL", 1), book.sell("AAPL", 2), book.sell("AAPL", 1)]
    assert [outcomes[1], outcomes[3]] == book.fills
    assert [outcomes[0], outcomes[2]] == book.refusals
    assert [(no.action, no.symbol, no.amount) for no in book.refusals] == [
        ("buy", "AAPL", "200"),
        ("sell", "AAPL", "2"),
    ]


# ---- costs


def test_costs_are_an_amount_per_order_plus_per_share_plus_basis_points() -> None:
    costs = CostModel(per_order=usd("1"), per_share=usd("0.005"), bps=usd("2"))
    assert costs.of(200, usd("50")) == usd("4")  # 1 + 0.005 * 200 + 10000 * 2 / 10000
    book = opened({"AAPL": "50"}, cash="20000", costs=costs)
    assert cash_after(book.buy("AAPL", 200)) == usd("9996")
    assert cash_after(book.sell("AAPL", 200)) == usd("19992")
    assert [fill.costs for fill in book.fills] == [usd("4"), usd("4")]


def test_costs_are_rounded_half_up_to_a_millionth() -> None:
    bps = CostModel(bps=usd("0.005"))
    assert bps.of(1, usd("1")) == usd("0.000001")  # 0.0000005
    assert bps.of(1, usd("0.9")) == 0


def test_a_buy_must_pay_its_costs_too() -> None:
    book = opened({"AAPL": "100"}, cash="300", costs=CostModel(per_order=usd("0.01")))
    assert refused(book.buy("AAPL", 3)) == ("insufficient_cash", {"required": usd("300.01"), "available": 300})
    assert cash_after(book.buy("AAPL", 2)) == usd("99.99")


def test_a_sale_whose_costs_exceed_cash_and_proceeds_is_refused() -> None:
    book = opened({"AAPL": "2"}, cash="1", shares={"AAPL": 3}, costs=CostModel(per_order=usd("5")))
    assert refused(book.sell("AAPL", 1)) == ("insufficient_cash", {"required": 5, "available": 3})
    assert cash_after(book.sell("AAPL", 2)) == 0


# ---- exactness


def test_after_ten_thousand_trades_summing_the_fills_gives_the_cash_exactly() -> None:
    book = opened(
        {"A": "0.1", "B": "528.285001", "C": "33.333333"}, cash="1000000", costs=CostModel(bps=usd("1.7"))
    )
    for number in range(10_000):
        symbol = "ABC"[number % 3]
        book.buy(symbol, 7) if number % 2 == 0 else book.sell(symbol, 5)
    assert len(book.fills) + len(book.refusals) == 10_000
    assert len(book.fills) > 5_000
    assert book.portfolio.cash == usd("1000000") + sum(map(flow, book.fills), Decimal(0))
    assert book.portfolio.cash == book.portfolio.cash.quantize(UNIT)


def test_a_dime_bought_ten_thousand_times_costs_a_thousand_and_not_a_cent_more() -> None:
    book = opened({"A": "0.1"}, cash="1000")
    for _ in range(10_000):
        book.buy("A", 1)
    assert book.portfolio == Portfolio(Decimal(0), {"A": 10_000})


def flow(fill: Fill) -> Decimal:
    """What a fill does to the cash."""
    traded = fill.price * fill.amount
    return (traded if fill.action == "sell" else -traded) - fill.costs


# ---- any sequence of orders

NONSENSE = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=4), st.lists(st.integers(), max_size=2)
)
SYMBOLS = st.one_of(st.sampled_from(["AAPL", "MSFT", "NVDA", " aapl ", "TSLA", "HALT"]), NONSENSE)
AMOUNTS = st.one_of(st.integers(1, 300), st.integers(), NONSENSE)
ORDERS = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), SYMBOLS, AMOUNTS), max_size=40)
PRICES = st.decimals(Decimal("0.01"), Decimal("900"), places=6)
COSTS = st.builds(
    CostModel,
    per_order=st.decimals(0, 20, places=4),
    per_share=st.decimals(0, 1, places=6),
    bps=st.decimals(0, 200, places=3),
)


@given(
    orders=ORDERS,
    prices=st.fixed_dictionaries({"AAPL": PRICES, "MSFT": PRICES, "NVDA": PRICES}),
    cash=st.decimals(0, 100_000, places=6),
    held=st.integers(1, 500),
    costs=COSTS,
)
def test_whatever_is_ordered_the_book_stays_valid_and_adds_up(
    orders: list[tuple[str, object, object]],
    prices: dict[str, Decimal],
    cash: Decimal,
    held: int,
    costs: CostModel,
) -> None:
    start = Portfolio(cash, {"MSFT": held, "HALT": 3})
    book = Ledger(start, universe=frozenset({*prices, "HALT"}), price_of=prices.get, costs=costs)
    sides: dict[str, Callable[[object, object], Fill | Refusal]] = {"buy": book.buy, "sell": book.sell}
    for side, symbol, amount in orders:
        before = book.portfolio
        outcome = sides[side](symbol, amount)
        after = book.portfolio
        if isinstance(outcome, Refusal):
            assert after == before
            continue
        assert outcome.cash == after.cash == before.cash + flow(outcome)
        assert outcome.price == prices[outcome.symbol]
        assert outcome.costs == costs.of(outcome.amount, outcome.price)
    assert len(book.fills) + len(book.refusals) == len(orders)
    assert book.portfolio.cash >= 0
    assert all(type(quantity) is int and quantity > 0 for quantity in book.portfolio.shares.values())
    assert book.portfolio.cash == cash + sum(map(flow, book.fills), Decimal(0))
    for symbol in ("AAPL", "MSFT", "NVDA", "HALT"):
        signed = (f.amount if f.action == "buy" else -f.amount for f in book.fills if f.symbol == symbol)
        assert book.portfolio.shares.get(symbol, 0) == start.shares.get(symbol, 0) + sum(signed)


# ---- the portfolio and money


def test_a_portfolio_refuses_negative_cash_and_empty_holdings() -> None:
    with pytest.raises(ValueError, match=r"cash is -0\.01"):
        Portfolio(usd("-0.01"))
    for quantity in (0, -3):
        with pytest.raises(ValueError, match=f"AAPL has {quantity} shares"):
            Portfolio(usd("1"), {"AAPL": quantity})


def test_a_portfolio_does_not_follow_the_dictionary_that_it_was_made_of() -> None:
    shares = {"MSFT": 1, "AAPL": 2}
    portfolio = Portfolio(usd("1"), shares)
    shares["MSFT"] = 99
    assert list(portfolio.shares.items()) == [("AAPL", 2), ("MSFT", 1)]


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.0000005", "0.000001"), ("0.0000004", "0"), ("-0.0000005", "-0.000001"), ("12", "12"), ("1e20", "1e20")],
)
def test_money_is_rounded_half_up_to_a_millionth(value: str, rounded: str) -> None:
    assert money(value) == usd(rounded)
    assert money(value).as_tuple().exponent == -6


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("8000.000000", "8000"),
        ("4188.81", "4188.81"),
        ("1E+4", "10000"),
        ("0.000001", "0.000001"),
        ("0.000000", "0"),
        ("-5.50", "-5.5"),
        ("100", "100"),
    ],
)
def test_money_text_is_the_shortest_exact_text_without_an_exponent(amount: str, text: str) -> None:
    assert money_text(usd(amount)) == text


@given(st.decimals(-(10**12), 10**12, places=6))
def test_money_text_reads_back_as_the_same_amount(amount: Decimal) -> None:
    assert Decimal(money_text(amount)) == amount
    assert "E" not in money_text(amount)


# ---- corporate actions

TODAY = dt.date(2025, 10, 6)
TENS = {"MSFT": Decimal(10)}
TERMS = st.integers(1, 30)


@given(
    held=st.integers(1, 10_000),
    terms=st.tuples(TERMS, TERMS).filter(lambda terms: terms[0] != terms[1]),
    price=PRICES,
    cash=st.decimals(0, 1000, places=6),
)
def test_no_split_changes_what_a_portfolio_is_worth(
    held: int, terms: tuple[int, int], price: Decimal, cash: Decimal
) -> None:
    ratio = Fraction(*terms)
    action = parse_action("AAPL", TODAY, "split", f"{terms[0] / terms[1]:.10f}")
    assert action.ratio == ratio
    book = Ledger(Portfolio(cash, {"AAPL": held, "MSFT": 1}), universe=frozenset(), price_of=TENS.get)
    event = book.apply(action, price)
    worth = Fraction(cash) + held * ratio * Fraction(price)
    left = book.portfolio.shares.get("AAPL", 0)
    assert abs(Fraction(event.cash) + left * Fraction(price) - worth) <= Fraction(1, 2_000_000)
    assert (event.held, event.amount, book.portfolio.shares["MSFT"]) == (held, left, 1)
    assert event.price == (None if (held * ratio).denominator == 1 else price)
    assert (book.events, book.fills, book.refusals) == ([event], [], [])


def test_a_fraction_without_a_price_is_an_error_and_changes_nothing() -> None:
    book = Ledger(Portfolio(Decimal(5), {"AAPL": 3}), universe=frozenset(), price_of=TENS.get)
    with pytest.raises(ValueError, match="AAPL: 1/2 of a share cannot be paid without a price"):
        book.apply(parse_action("AAPL", TODAY, "split", "0.5"), None)
    assert (book.portfolio, book.events) == (Portfolio(Decimal(5), {"AAPL": 3}), [])


def test_shares_that_are_renamed_join_those_that_are_held_under_the_new_symbol() -> None:
    book = Ledger(Portfolio(Decimal(5), {"AAPL": 3, "MSFT": 4}), universe=frozenset(), price_of=TENS.get)
    book.apply(parse_action("AAPL", TODAY, "symbol_change", None, "MSFT"), None)
    assert book.portfolio == Portfolio(Decimal(5), {"MSFT": 7})
    assert isinstance(book.sell("MSFT", 7), Fill)
