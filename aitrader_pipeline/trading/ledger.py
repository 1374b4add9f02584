"""The ledger: orders and corporate actions in, fills, refusals and events out. Nothing else changes a portfolio.

Money is exact (``decimal``), shares are whole, cash never falls below zero, and an order is either
filled as a whole or refused as a whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.money import money, money_text, rounded

Side = Literal["buy", "sell"]

# Beyond it nothing could be held, and the numbers of a refusal would no longer be exact.
_MOST_SHARES = 10**15


@dataclass(frozen=True)
class Portfolio:
    """Cash and whole shares. Symbols with zero shares are not kept."""

    cash: Decimal
    shares: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cash < 0:
            raise ValueError(f"cash is {money_text(self.cash)}: a portfolio's cash is never negative")
        for symbol, quantity in self.shares.items():
            if quantity <= 0:
                raise ValueError(f"{symbol} has {quantity} shares: a holding is a whole number above zero")
        object.__setattr__(self, "shares", dict(sorted(self.shares.items())))

    def value(self, price_of: Callable[[str], Decimal]) -> Decimal:
        """Cash plus shares at the given prices."""
        return self.cash + sum((price_of(s) * q for s, q in self.shares.items()), Decimal(0))


@dataclass(frozen=True)
class CostModel:
    """What a fill costs: ``per_order + per_share * shares + bps / 10000 * notional``."""

    per_order: Decimal = Decimal(0)
    per_share: Decimal = Decimal(0)
    bps: Decimal = Decimal(0)

    def of(self, shares: int, price: Decimal) -> Decimal:
        """Costs of one fill, rounded to the unit of account."""
        return money(self.per_order + self.per_share * shares + self.bps * price * shares / 10_000)


class RefusalCode(StrEnum):
    """Why an order was refused; stable, so that models and programs can act on it."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    NO_PRICE = "no_price"
    INSUFFICIENT_CASH = "insufficient_cash"
    NO_POSITION = "no_position"
    INSUFFICIENT_SHARES = "insufficient_shares"
    INVALID_AMOUNT = "invalid_amount"


@dataclass(frozen=True)
class Fill:
    """An executed order: ``amount`` shares at ``price``, and the cash that is left after it."""

    action: Side
    symbol: str
    amount: int
    price: Decimal
    costs: Decimal
    cash: Decimal


@dataclass(frozen=True)
class Refusal:
    """An order that was not executed, with the numbers that say why."""

    action: Side
    symbol: str
    amount: str
    code: RefusalCode
    message: str
    details: Mapping[str, Decimal | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """A corporate action as it was applied to what was held.

    Attributes:
        action: What happened.
        held: Shares of its symbol before it.
        amount: Shares left by a split, paid on by a dividend, renamed by a symbol change, or sold at a delisting.
        price: What a share was paid: a dividend, a split's fraction, a delisted share; None where nothing was.
        cash: The cash after it.
    """

    action: CorporateAction
    held: int
    amount: int
    price: Decimal | None
    cash: Decimal


class Ledger:
    """The book of one session. Every order fills at the symbol's price of the session, or is refused."""

    def __init__(
        self,
        start: Portfolio,
        *,
        universe: frozenset[str],
        price_of: Callable[[str], Decimal | None],
        costs: CostModel | None = None,
        lot_size: int = 1,
    ) -> None:
        """Open the book.

        Args:
            start: the portfolio at the start of the session.
            universe: the symbols that can be bought; what is held can always be sold.
            price_of: the fill price of a symbol, None where it cannot be traded today.
            costs: the cost model; none by default.
            lot_size: shares in the smallest order. All that is held can be sold at once whatever it is: a split
                may leave less than a lot.
        """
        self._portfolio = start
        self._universe = universe
        self._price_of = price_of
        self._costs = costs or CostModel()
        self._lot_size = lot_size
        self.events: list[Event] = []
        self.fills: list[Fill] = []
        self.refusals: list[Refusal] = []

    @property
    def portfolio(self) -> Portfolio:
        """The portfolio after everything that was filled so far."""
        return self._portfolio

    def apply(self, action: CorporateAction, price: Decimal | None) -> Event:
        """Apply a corporate action to what is held of its symbol.

        A split multiplies the shares and pays the fraction in cash; a dividend is paid on every share; a symbol
        change moves the shares; a delisting sells them.

        Args:
            action: What happened.
            price: What a share is worth right after it, of which the fraction of a split is paid; what a delisted
                share is paid, None where it is kept. A dividend's is its own.

        Raises:
            ValueError: A split leaves a fraction and there is no price for it, or a dividend has no value.
        """
        held = self._portfolio.shares.get(action.symbol, 0)
        # By default all shares stay and none is paid for.
        amount, left, paid_shares, paid = held, {action.symbol: held}, Fraction(0), Decimal(0)
        match action.kind:
            case "split":
                amount = int(held * action.ratio)
                left, paid_shares = {action.symbol: amount}, held * action.ratio - amount
            case "dividend":
                price, paid_shares = action.value, Fraction(held)
            case "symbol_change" if action.new_symbol:
                joined = self._portfolio.shares.get(action.new_symbol, 0)
                left = {action.symbol: 0, action.new_symbol: joined + held}
            case "delisting":
                amount = 0 if price is None else held
                left, paid_shares = {action.symbol: held - amount}, Fraction(amount)
        if paid_shares:
            if price is None:
                raise ValueError(f"{action.symbol}: {paid_shares} of a share cannot be paid without a price")
            paid = rounded(paid_shares * Fraction(price))
        shares = {symbol: quantity for symbol, quantity in {**self._portfolio.shares, **left}.items() if quantity}
        self._portfolio = Portfolio(self._portfolio.cash + paid, shares)
        event = Event(action, held, amount, price if paid_shares else None, self._portfolio.cash)
        self.events.append(event)
        return event

    def buy(self, symbol: object, amount: object) -> Fill | Refusal:
        """Buy whole shares at today's price plus costs; exact cash is enough."""
        return self._order("buy", symbol, amount)

    def sell(self, symbol: object, amount: object) -> Fill | Refusal:
        """Sell whole shares that are held at today's price less costs."""
        return self._order("sell", symbol, amount)

    def _order(self, action: Side, symbol: object, amount: object) -> Fill | Refusal:
        ticker = symbol.strip().upper() if isinstance(symbol, str) else ""
        outcome = self._execute(action, ticker, amount)
        if isinstance(outcome, Fill):
            self.fills.append(outcome)
        else:
            self.refusals.append(outcome)
        return outcome

    def _execute(self, action: Side, symbol: str, amount: object) -> Fill | Refusal:
        def refused(code: RefusalCode, message: str, **details: Decimal | int) -> Refusal:
            return Refusal(action, symbol, _shown(amount), code, message, details)

        shares = _whole_shares(amount)
        if shares is None:
            return refused(
                RefusalCode.INVALID_AMOUNT,
                f"amount must be a whole number of shares from 1 to {_MOST_SHARES}, not {_shown(amount)}",
            )
        held = self._portfolio.shares.get(symbol, 0)
        if shares % self._lot_size and not (action == "sell" and shares == held):
            return refused(
                RefusalCode.INVALID_AMOUNT,
                f"amount must be a multiple of {self._lot_size} shares, a lot, not {_shown(amount)}",
                lot_size=self._lot_size,
            )
        if symbol not in self._universe and (action == "buy" or not held):
            return refused(RefusalCode.UNKNOWN_SYMBOL, f"{symbol or 'an empty symbol'} is not in the universe")
        if action == "sell" and not held:
            return refused(RefusalCode.NO_POSITION, f"no {symbol} is held", have=0, want=shares)
        if action == "sell" and held < shares:
            return refused(
                RefusalCode.INSUFFICIENT_SHARES,
                f"{held} {symbol} held, {shares} wanted",
                have=held,
                want=shares,
            )
        price = self._price_of(symbol)
        if price is None:
            return refused(RefusalCode.NO_PRICE, f"{symbol} has no price today and cannot be traded")
        costs = self._costs.of(shares, price)
        change = price * shares - costs if action == "sell" else -(price * shares + costs)
        cash = self._portfolio.cash + change
        if cash < 0:
            required = price * shares + costs if action == "buy" else costs
            available = self._portfolio.cash if action == "buy" else self._portfolio.cash + price * shares
            return refused(
                RefusalCode.INSUFFICIENT_CASH,
                f"{money_text(required)} required, {money_text(available)} available",
                required=required,
                available=available,
            )
        self._portfolio = Portfolio(cash, self._holdings_after(action, symbol, shares))
        return Fill(action, symbol, shares, price, costs, cash)

    def _holdings_after(self, action: Side, symbol: str, shares: int) -> dict[str, int]:
        left = self._portfolio.shares.get(symbol, 0) + (shares if action == "buy" else -shares)
        holdings = {s: q for s, q in self._portfolio.shares.items() if s != symbol}
        return holdings | {symbol: left} if left else holdings


def _whole_shares(amount: object) -> int | None:
    """A whole number above zero; JSON has one kind of number, so 3.0 is 3, while "3", 2.5 and true are not."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return None
    if isinstance(amount, float) and not amount.is_integer():
        return None
    return int(amount) if 0 < amount <= _MOST_SHARES else None


def _shown(amount: object) -> str:
    """An amount as the trader wrote it, short enough for a record and a message."""
    text = "nothing" if amount is None else repr(amount)
    return text if len(text) <= 60 else text[:57] + "..."
