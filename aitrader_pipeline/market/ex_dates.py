"""The corporate actions there are in the order in which they apply, and what they make of a price."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction

from aitrader_pipeline.market.actions import ActionKind, CorporateAction

# A dividend is paid per share as of before a split of the same day.
_ORDER: dict[ActionKind, int] = {"dividend": 0, "split": 1, "symbol_change": 2, "delisting": 3}


def in_order(actions: Iterable[CorporateAction]) -> tuple[CorporateAction, ...]:
    """Sort actions by ex-date, those of one day in the order in which they apply."""
    return tuple(sorted(actions, key=lambda action: (action.ex_date, _ORDER[action.kind], action.symbol)))


def split_factor(actions: Iterable[CorporateAction], symbol: str, after: dt.date, through: dt.date) -> Fraction:
    """Return how many shares the splits of a span of ex-dates have made of one share.

    Args:
        actions: All there are.
        symbol: Whose splits count.
        after: The last day that does not count.
        through: The last day that counts.
    """
    factor = Fraction(1)
    for action in actions:
        if action.kind == "split" and action.symbol == symbol and after < action.ex_date <= through:
            factor *= action.ratio
    return factor


@dataclass(frozen=True)
class ExDates:
    """All corporate actions there are, to take from what is known at the open of a day.

    Attributes:
        actions: In the order in which they apply; `of` sorts them.
    """

    actions: tuple[CorporateAction, ...] = ()

    @classmethod
    def of(cls, actions: Iterable[CorporateAction]) -> "ExDates":
        """Keep actions given in any order."""
        return cls(in_order(actions))

    def known(self, date: dt.date, symbols: Collection[str]) -> tuple[CorporateAction, ...]:
        """Return the actions of these symbols with ex-dates up to and including a day."""
        return tuple(action for action in self.actions if action.ex_date <= date and action.symbol in symbols)

    def successors(self, symbols: Iterable[str], date: dt.date) -> tuple[str, ...]:
        """Return the tickers that these symbols have been renamed to up to and including a day."""
        found = list(symbols)
        held = len(found)
        for action in self.actions:
            if action.new_symbol and action.ex_date <= date and action.symbol in found:
                found.append(action.new_symbol)
        return tuple(found[held:])
