"""Corporate actions: what one may hold, how a raw one is checked, and the text that its hash is taken of.

Money is exact to six decimals like the mart's, a split's ratio to twelve: a vendor's 0.3333 is kept as the third
that it stands for.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Literal, get_args

from aitrader_pipeline.market.bars import (
    PRICE_STEP,
    BadBarError,
    RejectedBar,
    as_text,
    parse_date,
    parse_number,
    parse_symbol,
    plain,
    shown,
)

ActionKind = Literal["split", "dividend", "symbol_change", "delisting"]
KINDS: tuple[ActionKind, ...] = get_args(ActionKind)

# More places than a price has: 1 share for 1500 must still be told from 1 for 1501.
_RATIO_STEP = Decimal("0.000000000001")
_LIMIT = Decimal(10**12)
# A vendor writes a third as 0.3333; a ratio of whole numbers up to here, and so near, is what it means.
_LARGEST_TERM = 1000
_ROUNDED_RATIO = Fraction(1, 10_000)


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """What a company does to its shares before the open of a day.

    Attributes:
        symbol: The ticker that the shares are held under until then.
        ex_date: The first day whose prices know of it; it need not be a session.
        kind: What happens.
        value: Of a split the shares after it per share before (2 for 2:1, 0.1 for 1:10); of a dividend the money
            per share; of a delisting what a share is paid, None where that is not known; None for a symbol change.
        new_symbol: The ticker after a symbol change.
    """

    symbol: str
    ex_date: dt.date
    kind: ActionKind
    value: Decimal | None = None
    new_symbol: str | None = None

    @property
    def ratio(self) -> Fraction:
        """Shares after a split per share before it, exactly; 1 where it is no split."""
        return exact_ratio(self.value) if self.kind == "split" and self.value else Fraction(1)


@dataclass(frozen=True)
class ActionBatch:
    """What one reading of a source gave: actions by symbol, date and kind, each once, and what was refused."""

    source: str
    actions: tuple[CorporateAction, ...]
    rejected: tuple[RejectedBar, ...]
    content_hash: str


class ActionIntake:
    """Collects the actions of one source: every good one is kept once, every bad one is refused with its place.

    Two dividends of one symbol and date in one file are summed: a regular and a special one. What a later file
    says of an action replaces what an earlier one said: answers are taken from the oldest to the newest.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, dt.date, ActionKind], tuple[str, CorporateAction]] = {}
        self._rejected: list[RejectedBar] = []

    def add(
        self,
        *,
        symbol: object,
        ex_date: object,
        kind: object,
        value: object,
        new_symbol: object = None,
        file: str,
        line: int | None,
        place: str = "",
    ) -> None:
        """Take one raw action in, or refuse it.

        Args:
            symbol: The ticker as given.
            ex_date: The date as given.
            kind: One of ``KINDS``, in any case.
            value: As given, see `CorporateAction.value`; None or empty where the kind needs none.
            new_symbol: The ticker after a symbol change, as given.
            file: The file's name; what one file says twice of one action is no restatement.
            line: The physical line, for the refusal.
            place: What else tells people where it is, set before the reason (for example "row 3").
        """
        try:
            self._keep(parse_action(symbol, ex_date, kind, value, new_symbol), file)
        except BadBarError as error:
            reason = f"{place}: {error}" if place else str(error)
            self.refuse(reason, symbol=symbol, ex_date=ex_date, file=file, line=line)

    def refuse(
        self, reason: str, *, symbol: object = None, ex_date: object = None, file: str, line: int | None
    ) -> None:
        """Note that something in a file is no action."""
        self._rejected.append(RejectedBar(file, line, as_text(symbol)[:40], as_text(ex_date)[:40], reason))

    def batch(self, source: str) -> ActionBatch:
        """Return everything that was taken in under the source's name."""
        actions = tuple(action for _, (_, action) in sorted(self._kept.items()))
        return ActionBatch(source, actions, tuple(self._rejected), content_hash(actions))

    def _keep(self, action: CorporateAction, file: str) -> None:
        key = (action.symbol, action.ex_date, action.kind)
        known_file, known = self._kept.get(key, ("", action))
        if known_file == file and action.kind == "dividend" and known.value and action.value:
            action = replace(known, value=known.value + action.value)
        elif known_file == file and known != action:
            raise BadBarError(f"second {action.kind} with other values: {_said(action)}; kept: {_said(known)}")
        self._kept[key] = (file, action)


def parse_action(
    symbol: object, ex_date: object, kind: object, value: object, new_symbol: object = None
) -> CorporateAction:
    """Check a raw action and make it exact.

    Raises:
        BadBarError: Something is missing, is no such thing, or does not belong to this kind of action.
    """
    ticker, date, named = parse_symbol(symbol), parse_date(ex_date), _kind(kind)
    number = parse_number("value", value)
    renamed = parse_symbol(new_symbol) if as_text(new_symbol) else None
    if named != "symbol_change" and renamed is not None:
        raise BadBarError(f"new_symbol {renamed} belongs to a symbol_change, not to a {named}")
    if named == "symbol_change":
        if renamed is None or renamed == ticker:
            raise BadBarError("new_symbol must be another ticker")
        if number is not None:
            raise BadBarError(f"value {plain(number)} does not belong to a symbol_change: shares stay as they are")
    return CorporateAction(ticker, date, named, _value(named, number), renamed)


def exact_ratio(stated: Decimal) -> Fraction:
    """Return the ratio that a split's value stands for: 0.3333 is a third, being so near to it."""
    value = Fraction(stated)
    near = value.limit_denominator(_LARGEST_TERM)
    if value < 1:
        near = 1 / (1 / value).limit_denominator(_LARGEST_TERM)
    return near if abs(value - near) <= _ROUNDED_RATIO * near else value


def canonical(action: CorporateAction) -> str:
    """Return the action as the one line of text that hashes are taken of; equal actions give equal text."""
    value = "" if action.value is None else f"{action.value:.12f}"
    return f"{action.symbol},{action.ex_date},{action.kind},{value},{action.new_symbol or ''}\n"


def content_hash(actions: Iterable[CorporateAction]) -> str:
    """Return the sha256 in hex over the canonical text of actions that are sorted by symbol, date and kind."""
    return hashlib.sha256("".join(map(canonical, actions)).encode()).hexdigest()


def _kind(value: object) -> ActionKind:
    text = as_text(value).lower()
    for kind in KINDS:
        if text == kind:
            return kind
    raise BadBarError(f"kind {shown(text)} is none of {', '.join(KINDS)}" if text else "kind is missing")


def _value(kind: ActionKind, number: Decimal | None) -> Decimal | None:
    if number is None:
        if kind in ("split", "dividend"):
            raise BadBarError(f"value is missing: a {kind} needs one")
        return None
    if abs(number) >= _LIMIT:
        raise BadBarError(f"value {shown(plain(number))} is too large: it is below {_LIMIT}")
    exact = number.quantize(_RATIO_STEP if kind == "split" else PRICE_STEP, rounding=ROUND_HALF_EVEN)
    if exact < 0 or (exact == 0 and kind != "delisting"):
        raise BadBarError(f"value {shown(plain(number))} is not above 0")
    if kind != "split":
        return exact
    if exact == 1:
        raise BadBarError("value 1 splits nothing: it is the shares after per share before, 2 for 2:1")
    ratio = exact_ratio(exact)
    return (Decimal(ratio.numerator) / ratio.denominator).quantize(_RATIO_STEP, rounding=ROUND_HALF_EVEN)


def _said(action: CorporateAction) -> str:
    value = "no value" if action.value is None else plain(action.value)
    return f"{value} {action.new_symbol}" if action.new_symbol else value
