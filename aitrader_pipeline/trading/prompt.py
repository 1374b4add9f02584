"""What a trader is told at the start of a session: the briefing, and the prompt that is rendered from it."""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.ex_dates import split_factor
from aitrader_pipeline.money import money_text
from aitrader_pipeline.trading.ledger import CostModel, Event, Portfolio

FINISH_SIGNAL = "<FINISH_SIGNAL>"
OPENING_REQUEST = "Please analyse and update today's ({date}) positions."
NUDGE = (
    "You called no tool and did not finish. Continue with a tool call, "
    f"or finish with a short summary that ends with {FINISH_SIGNAL}"
)

# What a template's expression can raise by itself, such as {{ cash + 1 }}, cash being text.
_FAULTS_OF_EXPRESSIONS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


_UNSPLIT = Fraction(1)
_VERSION = re.compile(r"\s*\{#-?\s*version:\s*(\S.*?)\s*-?#\}")


@dataclass(frozen=True)
class Briefing:
    """The facts of a session as its trader may know them; the prompt shows these and nothing else.

    Attributes:
        date: today's session.
        session_number: counts the model's sessions from 1.
        universe: the symbols that can be traded.
        portfolio: the ledger's portfolio at the start, after corporate actions.
        opens: today's opens; a symbol without one is missing.
        closes: newest closes up to the previous exchange session.
        stale_closes: the dates of closes that are older than that session.
        previous_market_session: the exchange session before today.
        past_sessions: exchange sessions before today for which there are prices, oldest first.
        previous_session: the model's own previous session, None on its first.
        previous_profit: close-marked profit of the model's previous session.
        value_at_open: the portfolio at today's opens; a held symbol without one at its last close.
        costs: what a fill costs.
        events: the corporate actions that have been applied to the portfolio since the previous session.
        splits: all splits of the universe up to today's open.
        currency: what prices and cash are in.
        lot_size: shares in the smallest order.
        only_to_sell: symbols that are held and are no longer members of the universe.
    """

    date: dt.date
    session_number: int
    universe: tuple[str, ...]
    portfolio: Portfolio
    opens: Mapping[str, Decimal]
    closes: Mapping[str, Decimal]
    stale_closes: Mapping[str, dt.date]
    previous_market_session: dt.date
    past_sessions: tuple[dt.date, ...]
    previous_session: dt.date | None
    previous_profit: Decimal
    value_at_open: Decimal
    costs: CostModel
    events: tuple[Event, ...] = ()
    splits: tuple[CorporateAction, ...] = ()
    currency: str = "USD"
    lot_size: int = 1
    only_to_sell: frozenset[str] = frozenset()

    def close_date(self, symbol: str) -> dt.date:
        """The session of a symbol's newest close."""
        return self.stale_closes.get(symbol, self.previous_market_session)

    def split(self, symbol: str, after: dt.date, through: dt.date) -> Fraction:
        """What the splits with ex-dates after one day, up to and including another, have made of one share."""
        return split_factor(self.splits, symbol, after, through)


@dataclass(frozen=True)
class PromptTemplate:
    """A Jinja template of the system prompt, with the version and the hash that every record names."""

    source: str
    name: str

    @classmethod
    def load(cls, path: Path | None = None) -> "PromptTemplate":
        """Read a template file, or the one that comes with the arena.

        Raises:
            ConfigError: the file cannot be read.
        """
        if path is None:
            file = resources.files("aitrader_pipeline.trading") / "prompt.md.j2"
            return cls(file.read_text(encoding="utf-8"), "prompt.md.j2")
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except OSError as error:
            raise ConfigError(f"agent_config.prompt_template: cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"agent_config.prompt_template: {path} is not UTF-8 text: {error.reason}") from error

    @property
    def version(self) -> str:
        """What its first line calls it, such as ``{# version: 2 #}``; empty where it does not."""
        stated = _VERSION.match(self.source)
        return stated[1] if stated else ""

    @property
    def hash(self) -> str:
        """SHA-256 of the template's text, in hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def render(self, briefing: Briefing) -> str:
        """The system prompt of a session.

        Raises:
            ConfigError: the template is not valid or names a fact that does not exist.
        """
        try:
            return _compiled(self.source).render(_facts(briefing))
        except (TemplateError, *_FAULTS_OF_EXPRESSIONS) as error:
            raise ConfigError(f"prompt template {self.name}: {error}") from error


@cache
def _compiled(source: str) -> Template:
    # The prompt is plain text for a model, not HTML: escaping would alter what it reads.
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 # nosec B701
    return environment.from_string(source)


def _facts(briefing: Briefing) -> dict[str, object]:
    return {
        "date": briefing.date.isoformat(),
        "cash": money_text(briefing.portfolio.cash),
        "holdings": [{"symbol": s, "shares": q} for s, q in briefing.portfolio.shares.items()],
        "corporate_actions": [_told(event) for event in briefing.events],
        "value_at_open": money_text(briefing.value_at_open),
        "previous_session": briefing.previous_session and briefing.previous_session.isoformat(),
        "previous_profit": money_text(briefing.previous_profit),
        "previous_market_session": briefing.previous_market_session.isoformat(),
        "quotes": [
            {
                "symbol": symbol,
                "close": _quoted(
                    briefing.closes.get(symbol),
                    briefing.stale_closes.get(symbol),
                    briefing.split(symbol, briefing.close_date(symbol), briefing.date),
                ),
                "open": _quoted(briefing.opens.get(symbol)),
                "note": ", can only be sold" if symbol in briefing.only_to_sell else "",
            }
            for symbol in briefing.universe
        ],
        "costs": _costs_text(briefing.costs),
        "currency": briefing.currency,
        "lot_size": briefing.lot_size,
        "finish_signal": FINISH_SIGNAL,
    }


def _quoted(price: Decimal | None, stale_since: dt.date | None = None, split: Fraction = _UNSPLIT) -> str:
    if price is None:
        return "none"
    notes = [f"of {stale_since}"] if stale_since else []
    notes += [f"before a split {_ratio(split)}"] if split != _UNSPLIT else []
    return f"{money_text(price)} ({', '.join(notes)})" if notes else money_text(price)


def _ratio(split: Fraction) -> str:
    return f"{split.numerator}:{split.denominator}"


def _told(event: Event) -> str:
    """What became of a holding, in one line."""
    action, price = event.action, money_text(event.price or Decimal(0))
    match action.kind:
        case "split":
            fraction = f", and {price} for each share of the fraction" if event.price is not None else ""
            return f"{action.symbol} split {_ratio(action.ratio)}: {event.held} -> {event.amount} shares{fraction}"
        case "dividend":
            return f"{action.symbol} dividend {price} per share: {event.held} shares paid in cash"
        case "symbol_change":
            return f"{action.symbol} is now {action.new_symbol}: {event.held} shares"
        case "delisting":
            if not event.amount:
                return f"{action.symbol} is no longer traded: {event.held} shares are kept at the last close"
            return f"{action.symbol} is no longer traded: {event.held} shares sold at {price}"


def _costs_text(costs: CostModel) -> str:
    parts = [
        text
        for amount, text in (
            (costs.per_order, f"{money_text(costs.per_order)} per order"),
            (costs.per_share, f"{money_text(costs.per_share)} per share"),
            (costs.bps, f"{money_text(costs.bps)} basis points of its value"),
        )
        if amount
    ]
    return f", plus costs of {' and '.join(parts)}" if parts else ", without costs"
