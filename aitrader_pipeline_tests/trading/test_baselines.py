"""The baselines on prices that are small enough to compute their orders by hand."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.bars import Bar
from aitrader_pipeline.market.view import MarketView, PriceHistory
from aitrader_pipeline.trading.ledger import CostModel, Ledger, Portfolio
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL, Briefing
from aitrader_pipeline.trading.record import Message
from aitrader_pipeline.trading.toolbox import Toolbox
from aitrader_pipeline.trading.tools import tool_server
from aitrader_pipeline.trading.tools.price import price_tools
from aitrader_pipeline.trading.tools.trade import trade_tools
from aitrader_pipeline.trading.traders.baselines import STRATEGIES, BaselineTrader

DAYS = tuple(dt.date(2025, 10, day) for day in (6, 7, 8, 9))
TODAY = dt.date(2025, 10, 10)
NO_COSTS = CostModel()
NO_SHARES: Mapping[str, int] = {}

# Closes of the four days before today. Over two sessions A rose by 10 %, B by 20 %, C fell by 5 %; over one or
# three sessions the order is another.
CLOSES = {"A": (10, 100, 500, 110), "B": (60, 50, 70, 60), "C": (900, 200, 10, 190)}
OPENS = {"A": 111, "B": 61, "C": 191}
PLAIN_OPENS = {"A": 30, "B": 70, "C": 1000}

Orders = list[tuple[str, str, int]]


def market(opens: Mapping[str, Any], closes: Mapping[str, tuple[Any, ...]] | None = None) -> MarketView:
    """Today's open after the closes of the days before; a close of None is a day without a bar."""
    bars = [Bar(symbol, TODAY, Decimal(price)) for symbol, price in opens.items()]
    past = {symbol: (price,) * len(DAYS) for symbol, price in opens.items()} if closes is None else closes
    for symbol, prices in past.items():
        levels = [(day, Decimal(price)) for day, price in zip(DAYS, prices, strict=True) if price is not None]
        bars += [Bar(symbol, day, price, price, price, price) for day, price in levels]
    return PriceHistory(bars).cut(TODAY, sorted({*opens, *past}), DAYS[-1])


def briefing_of(view: MarketView, portfolio: Portfolio, costs: CostModel = NO_COSTS, session: int = 1) -> Briefing:
    opens = {symbol: price for symbol in view.universe if (price := view.open(symbol)) is not None}
    closes = {symbol: close[1] for symbol in view.universe if (close := view.last_close(symbol)) is not None}
    return Briefing(
        date=view.date,
        session_number=session,
        universe=view.universe,
        portfolio=portfolio,
        opens=opens,
        closes=closes,
        stale_closes={},
        previous_market_session=view.previous_session,
        past_sessions=DAYS,
        previous_session=None,
        previous_profit=Decimal(0),
        value_at_open=portfolio.value(lambda symbol: opens[symbol] if symbol in opens else closes[symbol]),
        costs=costs,
    )


@dataclass(frozen=True)
class Day:
    """What a baseline did on its day: its orders as placed, its lookups, its last words, the book."""

    orders: Orders
    lookups: list[tuple[str, str]]
    words: str
    ledger: Ledger


def trade(
    name: str, view: MarketView, briefing: Briefing, params: Mapping[str, Any] | None = None, turns: int = 4
) -> Day:
    """Let a baseline trade through the real tools and ledger."""
    ledger = Ledger(
        briefing.portfolio, universe=frozenset(view.universe), price_of=view.open, costs=briefing.costs
    )
    orders: Orders = []
    lookups: list[tuple[str, str]] = []

    async def session() -> str:
        conversation = BaselineTrader(name, params or {}, "models.x.params").converse(briefing)
        messages: list[Message] = []
        async with Toolbox.open([tool_server("session", [*price_tools(view), *trade_tools(ledger)])]) as toolbox:
            for _ in range(turns):
                reply = await conversation.reply(messages, toolbox.schemas)
                if not reply.tool_calls:
                    return reply.text
                for call in reply.tool_calls:
                    assert isinstance(call.arguments, dict)
                    if call.name == "get_price_local":
                        lookups.append((str(call.arguments["symbol"]), str(call.arguments["date"])))
                    else:
                        orders.append((call.name, str(call.arguments["symbol"]), _whole(call.arguments["amount"])))
                    result = await toolbox.call(call.name, call.arguments)
                    messages.append(
                        Message(
                            role="tool",
                            content=result.text,
                            at=dt.datetime.now(dt.UTC),
                            tool_call_id=call.id,
                            is_error=result.is_error,
                        )
                    )
        return pytest.fail(f"{name} did not finish in {turns} turns")

    return Day(orders, lookups, asyncio.run(session()), ledger)


def _whole(amount: object) -> int:
    assert type(amount) is int
    return amount


def orders_of(
    name: str,
    view: MarketView,
    cash: str = "10000",
    shares: Mapping[str, int] = NO_SHARES,
    params: Mapping[str, Any] | None = None,
    session: int = 1,
    costs: CostModel = NO_COSTS,
) -> Orders:
    day = trade(name, view, briefing_of(view, Portfolio(Decimal(cash), shares), costs, session), params)
    assert day.ledger.refusals == []
    assert len(day.ledger.fills) == len(day.orders)
    assert day.words.endswith(FINISH_SIGNAL)
    return day.orders


# ---- cash, buy and hold, equal weight


def test_cash_orders_nothing() -> None:
    assert orders_of("cash", market(PLAIN_OPENS)) == []
    assert orders_of("cash", market(PLAIN_OPENS), shares={"A": 3}) == []


def test_buy_and_hold_spreads_the_cash_in_equal_parts() -> None:
    # 10000 / 3 = 3333.33 each: 111 * 30 = 3330, 47 * 70 = 3290, 3 * 1000 = 3000; of the 380 that are left no C can
    # be bought, which is furthest from its part, but one B and then one A.
    assert orders_of("buy_and_hold", market(PLAIN_OPENS)) == [("buy", "A", 112), ("buy", "B", 48), ("buy", "C", 3)]


def test_buy_and_hold_never_trades_again() -> None:
    assert orders_of("buy_and_hold", market(PLAIN_OPENS), shares={"A": 1}, session=2) == []


def test_equal_weight_sells_the_surplus_first_and_buys_what_is_short() -> None:
    # 100 + 100 * 30 + 10 * 70 + 2 * 1000 = 5800, 1933.33 each: 64 A, 27 B, 1 C; 990 are left for one more B and A.
    held = {"A": 100, "B": 10, "C": 2}
    expected = [("sell", "A", 35), ("sell", "C", 1), ("buy", "B", 18)]
    assert orders_of("equal_weight", market(PLAIN_OPENS), "100", held) == expected


@pytest.mark.parametrize(("session", "rebalances"), [(1, True), (2, False), (5, False), (6, True), (11, True)])
def test_equal_weight_rebalances_every_so_many_sessions(session: int, rebalances: bool) -> None:
    params = {"rebalance_sessions": 5}
    orders = orders_of("equal_weight", market(PLAIN_OPENS), "9000", {"A": 1}, params, session)
    assert bool(orders) is rebalances


def test_equal_weight_that_holds_nothing_does_not_wait_for_its_day() -> None:
    assert orders_of("equal_weight", market(PLAIN_OPENS), params={"rebalance_sessions": 5}, session=3)


def test_equal_weight_in_balance_orders_nothing() -> None:
    assert orders_of("equal_weight", market({"A": 30, "B": 60}), "0", {"A": 20, "B": 10}) == []


def test_costs_leave_less_for_the_last_symbol() -> None:
    # 5000 each at a cost of 10 an order: 5000 + 10 for A leaves 4990, of which 4980 buy 49 B at 100.
    costs = CostModel(per_order=Decimal(10))
    assert orders_of("buy_and_hold", market({"A": 50, "B": 100}), costs=costs) == [
        ("buy", "A", 100),
        ("buy", "B", 49),
    ]


# ---- momentum and mean reversion


def test_momentum_buys_what_rose_most_over_the_lookback() -> None:
    # B rose by 20 %, A by 10 %: 500 each buy 4 A at 111 and 8 B at 61; the 68 that are left buy one more B.
    orders = orders_of("momentum", market(OPENS, CLOSES), "1000", params={"lookback": 2, "top": 2})
    assert orders == [("buy", "A", 4), ("buy", "B", 9)]


def test_mean_reversion_buys_what_fell_most() -> None:
    orders = orders_of("mean_reversion", market(OPENS, CLOSES), "1000", params={"lookback": 2, "top": 1})
    assert orders == [("buy", "C", 5)]


@pytest.mark.parametrize(
    ("lookback", "momentum", "reversion"),
    [(1, "C", "A"), (2, "B", "C"), (3, "A", "C")],  # last close over the second, third and fourth last
)
def test_the_lookback_counts_sessions_back_from_the_newest_close(
    lookback: int, momentum: str, reversion: str
) -> None:
    view, params = market(OPENS, CLOSES), {"lookback": lookback, "top": 1}
    assert [symbol for _, symbol, _ in orders_of("momentum", view, params=params)] == [momentum]
    assert [symbol for _, symbol, _ in orders_of("mean_reversion", view, params=params)] == [reversion]


def test_momentum_looks_up_the_one_day_that_it_needs() -> None:
    view = market(OPENS, CLOSES)
    day = trade("momentum", view, briefing_of(view, Portfolio(Decimal(1000))), {"lookback": 2, "top": 1})
    assert day.lookups == [("A", "2025-10-07"), ("B", "2025-10-07"), ("C", "2025-10-07")]


def test_momentum_sells_what_fell_out_and_keeps_the_rest_at_equal_parts() -> None:
    # 100 + 4 * 111 + 2 * 191 = 926, 463 each: 4 A as held, 7 B; C goes.
    orders = orders_of("momentum", market(OPENS, CLOSES), "100", {"A": 4, "C": 2}, {"lookback": 2, "top": 2})
    assert orders == [("sell", "C", 2), ("buy", "B", 7)]


def test_momentum_leaves_its_symbols_alone_while_they_are_the_same() -> None:
    params = {"lookback": 2, "top": 2}
    assert orders_of("momentum", market(OPENS, CLOSES), "5000", {"A": 1, "B": 90}, params) == []


def test_equal_returns_are_ranked_by_name() -> None:
    flat = market({"C": 10, "A": 10, "B": 10})
    params = {"lookback": 2, "top": 2}
    expected = [("buy", "A", 5), ("buy", "B", 5)]
    assert orders_of("momentum", flat, "100", params=params) == expected
    assert orders_of("mean_reversion", flat, "100", params=params) == expected


@pytest.mark.parametrize("name", ["momentum", "mean_reversion"])
@pytest.mark.parametrize("lookback", [4, 20])
def test_without_enough_history_nothing_is_ordered_and_nothing_asked(name: str, lookback: int) -> None:
    view = market(OPENS, CLOSES)
    day = trade(name, view, briefing_of(view, Portfolio(Decimal(1000))), {"lookback": lookback})
    assert (day.orders, day.lookups) == ([], [])
    assert day.words.startswith("Not enough history")


def test_a_symbol_without_a_bar_back_then_is_not_ranked() -> None:
    closes = CLOSES | {"B": (60, None, 70, 60)}
    orders = orders_of("momentum", market(OPENS, closes), "1000", params={"lookback": 2, "top": 1})
    assert orders == [("buy", "A", 9)]


def test_fewer_symbols_than_wanted_are_held_in_larger_parts() -> None:
    orders = orders_of("momentum", market(OPENS, CLOSES), "3000", params={"lookback": 2, "top": 9})
    # 1000 each: 9 A at 111, 16 B at 61, 5 C at 191; the 70 that are left buy one more B.
    assert orders == [("buy", "A", 9), ("buy", "B", 17), ("buy", "C", 5)]


# ---- a held symbol that does not trade today

HALTED = {"A": (30,) * 4, "B": (70,) * 4, "D": (20,) * 4}


def test_the_value_of_a_halted_holding_is_not_spent() -> None:
    # D is carried at 10 * 20 = 200 of the 1200; the other 1000 are 500 for A and 500 for B, and 30 left for one A.
    view = market({"A": 30, "B": 70}, HALTED)
    assert orders_of("equal_weight", view, "1000", {"D": 10}) == [("buy", "A", 17), ("buy", "B", 7)]


@pytest.mark.parametrize("name", ["momentum", "mean_reversion"])
def test_a_halted_holding_is_neither_sold_nor_chosen(name: str) -> None:
    view = market({"A": 30, "B": 70}, HALTED | {"D": (20, 20, 20, 99 if name == "momentum" else 1)})
    orders = orders_of(name, view, "1000", {"D": 10}, {"lookback": 2, "top": 1})
    assert [(side, symbol) for side, symbol, _ in orders] == [("buy", "A")]


def test_the_random_trader_never_touches_a_halted_symbol() -> None:
    view = market({"A": 30, "B": 70}, HALTED)
    for seed in range(40):
        orders = orders_of("random", view, "1000", {"D": 10}, {"seed": seed, "orders": 5})
        assert "D" not in {symbol for _, symbol, _ in orders}


def test_a_day_on_which_nothing_trades_is_a_day_without_orders() -> None:
    view = market({}, HALTED)
    for name in STRATEGIES:
        assert orders_of(name, view, "1000", {"D": 10}) == []


# ---- the random trader


def random_orders(seed: int, date: dt.date) -> Orders:
    view = market(PLAIN_OPENS)
    briefing = briefing_of(view, Portfolio(Decimal(50_000), {"A": 90, "C": 7}))
    return trade("random", view, dataclasses.replace(briefing, date=date), {"seed": seed, "orders": 6}).orders


def test_the_random_trader_repeats_itself_for_one_seed_and_date() -> None:
    assert [random_orders(7, TODAY) for _ in range(3)] == [random_orders(7, TODAY)] * 3
    assert len(random_orders(7, TODAY)) >= 2


def test_the_random_trader_differs_by_seed_and_by_date() -> None:
    by_seed = {tuple(random_orders(seed, TODAY)) for seed in range(10)}
    by_date = {tuple(random_orders(7, TODAY + dt.timedelta(days=days))) for days in range(10)}
    assert len(by_seed) > 7
    assert len(by_date) > 7


def test_the_random_trader_places_at_most_the_orders_it_may_and_buys_and_sells() -> None:
    drawn = [random_orders(seed, TODAY) for seed in range(60)]
    assert max(map(len, drawn)) == 6
    assert min(map(len, drawn)) == 0
    assert {side for orders in drawn for side, _, _ in orders} == {"buy", "sell"}


# ---- what they order can be paid

PRICES = st.decimals(Decimal("0.5"), Decimal("900"), places=6)
COSTS = st.builds(
    CostModel,
    per_order=st.decimals(0, 20, places=2),
    per_share=st.decimals(0, 1, places=6),
    bps=st.decimals(0, 300, places=3),
)


@pytest.mark.parametrize("name", ["equal_weight", "momentum", "mean_reversion", "random"])
def test_a_sale_that_costs_more_than_there_is_is_not_ordered(name: str) -> None:
    view, costs = market({"A": 30, "B": 5}), CostModel(per_order=Decimal(50))
    for seed in range(20):
        params = {"random": {"seed": seed, "orders": 5}, "equal_weight": {}}.get(name, {"lookback": 2, "top": 1})
        orders = orders_of(name, view, "20", {"B": 5}, params, costs=costs)
        assert orders == []


@pytest.mark.parametrize("name", STRATEGIES)
@settings(deadline=None, max_examples=100)
@given(
    opens=st.fixed_dictionaries({}, optional={"A": PRICES, "B": PRICES, "C": PRICES}),
    closes=st.fixed_dictionaries({symbol: st.tuples(*[PRICES] * len(DAYS)) for symbol in "ABC"}),
    cash=st.decimals(0, 5000, places=6),
    shares=st.dictionaries(st.sampled_from("ABC"), st.integers(1, 50)),
    costs=COSTS,
    seed=st.integers(0, 1000),
)
def test_no_order_of_a_baseline_is_ever_refused(
    name: str,
    opens: dict[str, Decimal],
    closes: dict[str, tuple[Decimal, ...]],
    cash: Decimal,
    shares: dict[str, int],
    costs: CostModel,
    seed: int,
) -> None:
    view = market(opens, closes)
    params = {"random": {"seed": seed, "orders": 6}, "momentum": {"lookback": 2, "top": 2}}.get(name, {})
    day = trade(name, view, briefing_of(view, Portfolio(cash, shares), costs), params)
    assert day.ledger.refusals == []
    assert len(day.ledger.fills) == len(day.orders)


# ---- parameters


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        (
            "cash",
            {"seed": 1},
            ["models.x.params.seed: Extra inputs are not permitted", "cash takes these parameters: none"],
        ),
        (
            "momentum",
            {"lokback": 5},
            ["models.x.params.lokback", "momentum takes these parameters: lookback, top"],
        ),
        (
            "momentum",
            {"lookback": 0, "top": "x"},
            ["params.lookback: Input should be greater", "params.top: Input"],
        ),
        ("mean_reversion", {"top": 0}, ["models.x.params.top: Input should be greater than or equal to 1"]),
        (
            "equal_weight",
            {"rebalance_sessions": 2.5},
            ["models.x.params.rebalance_sessions: Input should be a valid"],
        ),
        (
            "random",
            {"seed": None, "orders": -1},
            ["models.x.params.seed:", "random takes these parameters: seed, orders"],
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_place_and_what_there_is(
    name: str, params: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(ConfigError) as told:
        BaselineTrader(name, params, "models.x.params")
    assert all(words in str(told.value) for words in says), str(told.value)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_baseline_needs_no_parameters(name: str) -> None:
    assert trade(name, market(OPENS, CLOSES), briefing_of(market(OPENS, CLOSES), Portfolio(Decimal(1000)))).words
