"""What companies have done to what is held since a model's previous session, applied before the open."""

import datetime as dt
from decimal import Decimal

from aitrader_pipeline.errors import SessionError
from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.view import MarketView
from aitrader_pipeline.trading.ledger import Ledger


def apply_actions(ledger: Ledger, view: MarketView, since: dt.date, *, sells_delisted: bool) -> None:
    """Apply all that happened to what is held, in the order in which it happened.

    Args:
        ledger: With the portfolio that the session before ended with.
        view: The market at today's open; it knows of no later action.
        since: The date of that session.
        sells_delisted: Whether a delisted symbol is sold, at what its shares are paid or else its last close;
            otherwise it is kept.

    Raises:
        SessionError: Something that is held has no price at all.
    """
    for action in view.actions:
        if action.symbol in ledger.portfolio.shares and _is_due(action, view, since):
            ledger.apply(action, _price(action, view, sells_delisted))


def _is_due(action: CorporateAction, view: MarketView, since: dt.date) -> bool:
    if action.new_symbol is None:
        return action.ex_date > since
    # It waits until the new ticker is traded, so that what is held always has a price. A share that was bought
    # after it is of another company, to which the old ticker has gone.
    newest = view.last_close(action.symbol)
    is_late = newest is None or newest[0] < action.ex_date
    return (action.ex_date > since or is_late) and view.open(action.new_symbol) is not None


def _price(action: CorporateAction, view: MarketView, sells_delisted: bool) -> Decimal | None:
    if action.kind == "delisting":
        if not sells_delisted:
            return None
        return carried(view, action.symbol) if action.value is None else action.value
    if action.kind == "split":
        opened = view.open(action.symbol)
        today = carried(view, action.symbol) if opened is None else opened
        return view.per_share(today, action.symbol, view.date, action.ex_date)
    return None


def carried(view: MarketView, symbol: str) -> Decimal:
    """The newest known close of a symbol that is held and has no price today, per share of today.

    Raises:
        SessionError: There is none.
    """
    close = view.carried(symbol)
    if close is None:
        raise SessionError(f"{symbol} is held but has no price at all up to {view.date}: load its bars")
    return close
