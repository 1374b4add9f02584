"""Rule-based traders: the null hypotheses of the board.

Each is a short program that asks for prices and places orders. It is run as a conversation, so its
orders pass through the same loop, tools and ledger as a model's.
"""

import json
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.trading.ledger import CostModel
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL, Briefing
from aitrader_pipeline.trading.record import Message, ToolRequest
from aitrader_pipeline.trading.traders import Conversation, Reply, ToolSchema

Request = tuple[str, dict[str, Any]]
Answers = list[Any]
# Yields the tool calls of one turn, is sent their results (None for an error), returns its reasons.
Program = Generator[list[Request], Answers, str]


class Params(BaseModel):
    """Parameters of a baseline; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoParams(Params):
    """A baseline without parameters."""


class EqualWeightParams(Params):
    """``rebalance_sessions``: sessions between two rebalancings."""

    rebalance_sessions: int = Field(default=20, ge=1)


class RankingParams(Params):
    """``lookback`` sessions over which returns are ranked, ``top`` symbols that are held."""

    lookback: int = Field(default=20, ge=1)
    top: int = Field(default=5, ge=1)


class RandomParams(Params):
    """``seed`` of the generator, ``orders`` placed a day at most."""

    seed: int = 0
    orders: int = Field(default=2, ge=1)


def cash(briefing: Briefing, params: NoParams) -> Program:
    """Hold cash."""
    del briefing, params
    yield from ()
    return "Cash is the position."


def buy_and_hold(briefing: Briefing, params: NoParams) -> Program:
    """Spread the cash evenly over the universe on the first session, then hold."""
    del params
    if briefing.portfolio.shares:
        return "Holding."
    yield from _place(_rebalancing(briefing, _buyable(briefing)))
    return "Bought the universe in equal parts, to hold."


def equal_weight(briefing: Briefing, params: EqualWeightParams) -> Program:
    """Rebalance the universe to equal weights every so many sessions."""
    if (briefing.session_number - 1) % params.rebalance_sessions and briefing.portfolio.shares:
        return "No rebalancing today."
    yield from _place(_rebalancing(briefing, _buyable(briefing)))
    return "Rebalanced to equal weights."


def momentum(briefing: Briefing, params: RankingParams) -> Program:
    """Hold the symbols that rose most over the lookback, in equal parts (Jegadeesh and Titman, 1993)."""
    returns = yield from _past_returns(briefing, params.lookback)
    chosen = _first(returns, params.top, key=lambda symbol: -returns[symbol])
    return (yield from _rotate(briefing, chosen, "risen most"))


def mean_reversion(briefing: Briefing, params: RankingParams) -> Program:
    """Hold the symbols that fell most over the lookback, in equal parts (De Bondt and Thaler, 1985)."""
    returns = yield from _past_returns(briefing, params.lookback)
    chosen = _first(returns, params.top, key=lambda symbol: returns[symbol])
    return (yield from _rotate(briefing, chosen, "fallen most"))


def random_trader(briefing: Briefing, params: RandomParams) -> Program:
    """Buy and sell symbols and amounts drawn from a generator seeded by seed and date."""
    # Reproducible by seed is the point; nothing here is a secret.
    draw = random.Random(f"{params.seed}|{briefing.date.isoformat()}")  # noqa: S311 # nosec B311
    orders: list[Request] = []
    cash_left = briefing.portfolio.cash
    sellable = {s: q for s, q in briefing.portfolio.shares.items() if s in briefing.opens}
    for _ in range(draw.randint(0, params.orders)):
        if sellable and draw.random() < 0.5:
            symbol = draw.choice(sorted(sellable))
            held = sellable.pop(symbol)
            # What a split has left of a lot is sold as a whole.
            amount = (
                draw.randint(1, held // briefing.lot_size) * briefing.lot_size
                if held >= briefing.lot_size
                else held
            )
            proceeds = _proceeds(amount, briefing.opens[symbol], briefing.costs)
            if cash_left + proceeds >= 0:
                cash_left += min(proceeds, Decimal(0))
                orders.append(("sell", {"symbol": symbol, "amount": amount}))
        elif buyable := _buyable(briefing):
            symbol = draw.choice(sorted(buyable))
            lots = _affordable(cash_left, briefing.opens[symbol], briefing.costs) // briefing.lot_size
            if lots:
                amount = draw.randint(1, lots) * briefing.lot_size
                cash_left -= _price_with_costs(amount, briefing.opens[symbol], briefing.costs)
                orders.append(("buy", {"symbol": symbol, "amount": amount}))
    yield from _place(orders)
    return f"{len(orders)} random orders."


def _past_returns(briefing: Briefing, lookback: int) -> Generator[list[Request], Answers, dict[str, Decimal]]:
    """Return from the close ``lookback`` sessions ago to the newest close; symbols without both are left out."""
    then = briefing.past_sessions[-lookback - 1] if len(briefing.past_sessions) > lookback else None
    if then is None:
        return {}
    symbols = [s for s in _buyable(briefing) if s in briefing.closes]
    if not symbols:
        return {}
    bars = yield [("get_price_local", {"symbol": s, "date": then.isoformat()}) for s in symbols]
    return {
        symbol: _times(briefing.closes[symbol], briefing.split(symbol, then, briefing.close_date(symbol)))
        / Decimal(str(bar["close"]))
        - 1
        for symbol, bar in zip(symbols, bars, strict=True)
        if bar is not None and bar.get("close")
    }


def _first(returns: Mapping[str, Decimal], count: int, key: Callable[[str], Decimal]) -> tuple[str, ...]:
    return tuple(sorted(sorted(returns), key=key)[:count])


def _rotate(briefing: Briefing, chosen: tuple[str, ...], why: str) -> Program:
    """Hold the chosen symbols in equal parts; while they stay the same nothing is traded, to save turnover."""
    if not chosen:
        return "Not enough history yet."
    if set(chosen) == set(briefing.portfolio.shares):
        return f"{', '.join(chosen)} have still {why}."
    yield from _place(_rebalancing(briefing, chosen))
    return f"{', '.join(chosen)} have {why}."


def _rebalancing(briefing: Briefing, symbols: Sequence[str]) -> list[Request]:
    """Orders that bring the portfolio to equal parts of the symbols: sells first, then buys that can be paid."""
    shares = briefing.portfolio.shares
    stuck = sum((_carried(briefing, s) * q for s, q in shares.items() if s not in briefing.opens), Decimal(0))
    lot = briefing.lot_size
    lots = _equal_parts(briefing.value_at_open - stuck, {s: briefing.opens[s] * lot for s in symbols})
    target = {symbol: count * lot for symbol, count in lots.items()}
    sells: list[Request] = []
    budget = briefing.portfolio.cash
    for symbol, held in shares.items():
        surplus = (held - target[symbol]) // lot * lot if target.get(symbol) else held
        if surplus > 0 and symbol in briefing.opens:
            proceeds = _proceeds(surplus, briefing.opens[symbol], briefing.costs)
            if budget + proceeds >= 0:
                budget += proceeds
                sells.append(("sell", {"symbol": symbol, "amount": surplus}))
    buys: list[Request] = []
    for symbol in sorted(target):
        price = briefing.opens[symbol]
        wanted = (
            min(target[symbol] - shares.get(symbol, 0), _affordable(budget, price, briefing.costs)) // lot * lot
        )
        if wanted > 0:
            buys.append(("buy", {"symbol": symbol, "amount": wanted}))
            budget -= _price_with_costs(wanted, price, briefing.costs)
    return sells + buys


def _buyable(briefing: Briefing) -> tuple[str, ...]:
    """The symbols that can be bought today."""
    return tuple(s for s in briefing.universe if s in briefing.opens and s not in briefing.only_to_sell)


def _carried(briefing: Briefing, symbol: str) -> Decimal:
    """The newest close per share of today."""
    split = briefing.split(symbol, briefing.close_date(symbol), briefing.date)
    return _times(briefing.closes.get(symbol, Decimal(0)), 1 / split)


def _times(price: Decimal, factor: Fraction) -> Decimal:
    return price * factor.numerator / factor.denominator


def _equal_parts(value: Decimal, prices: Mapping[str, Decimal]) -> dict[str, int]:
    """Shares or lots in about equal parts: each rounded down, then one more where most is short and cash lasts."""
    if not prices:
        return {}
    part = value / len(prices)
    shares = {symbol: int(part // price) for symbol, price in prices.items()}
    missing = {symbol: part - shares[symbol] * price for symbol, price in prices.items()}
    left = sum(missing.values(), Decimal(0))
    for symbol in sorted(prices, key=lambda symbol: (-missing[symbol], symbol)):
        if missing[symbol] > 0 and prices[symbol] <= left:
            shares[symbol] += 1
            left -= prices[symbol]
    return shares


def _proceeds(shares: int, price: Decimal, costs: CostModel) -> Decimal:
    """What a sale brings; below zero where it costs more, so that it may not be affordable."""
    return price * shares - costs.of(shares, price)


def _price_with_costs(shares: int, price: Decimal, costs: CostModel) -> Decimal:
    return price * shares + costs.of(shares, price)


def _affordable(budget: Decimal, price: Decimal, costs: CostModel) -> int:
    """The most shares that the budget pays for, costs included."""
    per_share = price * (1 + costs.bps / 10_000) + costs.per_share
    return max(int((budget - costs.per_order) // per_share), 0)


def _place(orders: list[Request]) -> Generator[list[Request], Answers, None]:
    if orders:
        yield orders


@dataclass(frozen=True)
class Strategy:
    """A baseline's program and the parameters that it takes."""

    program: Callable[[Briefing, Any], Program]
    params: type[Params]


STRATEGIES: Mapping[str, Strategy] = {
    "cash": Strategy(cash, NoParams),
    "buy_and_hold": Strategy(buy_and_hold, NoParams),
    "equal_weight": Strategy(equal_weight, EqualWeightParams),
    "momentum": Strategy(momentum, RankingParams),
    "mean_reversion": Strategy(mean_reversion, RankingParams),
    "random": Strategy(random_trader, RandomParams),
}


class ProgramConversation:
    """Runs a program as a conversation: each of its turns is a reply, each tool message an answer to it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._asked = 0
        self._turn = 0

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """The program's next turn, given the answers to its last one."""
        del tools
        self._turn += 1
        try:
            requests = self._program.send(self._answers(messages)) if self._asked else next(self._program)
        except StopIteration as stop:
            return Reply(f"{stop.value}\n{FINISH_SIGNAL}")
        self._asked = len(requests)
        calls = (
            ToolRequest(id=f"call_{self._turn}_{i}", name=name, arguments=arguments)
            for i, (name, arguments) in enumerate(requests, start=1)
        )
        return Reply("", tuple(calls))

    def _answers(self, messages: Sequence[Message]) -> Answers:
        return [None if m.is_error else json.loads(m.content) for m in messages[-self._asked :]]


class BaselineTrader:
    """A rule-based trader by its name in the config."""

    def __init__(self, name: str, params: Mapping[str, Any], field: str) -> None:
        """Set up a strategy.

        Args:
            name: a key of ``STRATEGIES``.
            params: its parameters.
            field: where the config states them, for error messages.

        Raises:
            ConfigError: a parameter is unknown or has a wrong value.
        """
        self._strategy = STRATEGIES[name]
        try:
            self._params = self._strategy.params(**params)
        except ValidationError as error:
            known = ", ".join(self._strategy.params.model_fields) or "none"
            lines = (f"{field}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigError("\n".join(lines) + f"\n{name} takes these parameters: {known}") from error

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session."""
        return ProgramConversation(self._strategy.program(briefing, self._params))

    async def close(self) -> None:
        """Nothing to release."""
