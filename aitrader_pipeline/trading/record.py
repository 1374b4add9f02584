"""The record of one model-day: everything that went in and came out, written once, only on success."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import repeat
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictInt

from aitrader_pipeline.market.actions import ActionKind, CorporateAction
from aitrader_pipeline.market.view import MarketView, Spans
from aitrader_pipeline.money import Money
from aitrader_pipeline.trading.ledger import Event, Fill, Portfolio, Refusal, RefusalCode, Side

SCHEMA_VERSION = 1

EndReason = Literal[
    "finished",
    "no_tool_calls",
    "max_steps",
    "tool_budget",
    "time_budget",
    "token_budget",
    "cost_budget",
    "imported",
]

# What differs between two runs of one and the same session: the clock, the launch that ran it, and what the
# trader was not told, such as how many later pages a search has dropped.
_INCIDENTAL: Mapping[str, Any] = {
    "launch": True,
    "opened_from": {"launch", "hash"},
    "started_at": True,
    "finished_at": True,
    "messages": {"__all__": {"at", "seconds", "notes"}},
    "calls": {"__all__": {"latency_seconds"}},
    "tools": {"__all__": {"seconds"}},
}


class Entry(BaseModel):
    """Base of everything in a record: immutable, and closed to fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Book(Entry):
    """A portfolio as stored: exact cash as decimal text, whole shares per symbol."""

    cash: Annotated[Money, Field(ge=0)]
    shares: dict[str, Annotated[int, Field(gt=0)]] = {}

    @classmethod
    def of(cls, portfolio: Portfolio) -> "Book":
        """The stored form of a portfolio."""
        return cls(cash=portfolio.cash, shares=dict(portfolio.shares))

    def portfolio(self) -> Portfolio:
        """The portfolio that was stored."""
        return Portfolio(self.cash, self.shares)


class Action(Entry):
    """A fill. ``action_id`` counts from 1 within the day; ``step`` is the model call that ordered it."""

    action_id: Annotated[int, Field(ge=1)]
    type: Side
    symbol: str
    amount: Annotated[int, Field(gt=0)]
    price: Annotated[Money, Field(gt=0)]
    costs: Annotated[Money, Field(ge=0)] = Decimal(0)
    cash: Annotated[Money, Field(ge=0)]
    step: int = 0

    @classmethod
    def numbered(
        cls, fills: Iterable[Fill], steps: Iterable[int] = repeat(0), first: int = 1
    ) -> "tuple[Action, ...]":
        """The day's fills in order from a number on, each with the model call that ordered it (0 for none)."""
        return tuple(
            cls(
                action_id=number,
                type=fill.action,
                symbol=fill.symbol,
                amount=fill.amount,
                price=fill.price,
                costs=fill.costs,
                cash=fill.cash,
                step=step,
            )
            for number, (fill, step) in enumerate(zip(fills, steps, strict=False), start=first)
        )


class AppliedAction(Entry):
    """A corporate action as it was applied before the open; those of a day come before its fills.

    ``value`` and ``new_symbol`` are the action's own; ``amount`` and ``price`` are those of the ledger's `Event`.
    """

    action_id: Annotated[int, Field(ge=1)]
    type: ActionKind
    symbol: str
    ex_date: dt.date
    value: Annotated[Money, Field(ge=0)] | None = None
    new_symbol: str | None = None
    amount: Annotated[int, Field(ge=0)]
    price: Annotated[Money, Field(ge=0)] | None = None
    cash: Annotated[Money, Field(ge=0)]

    @classmethod
    def numbered(cls, events: Iterable[Event]) -> "tuple[AppliedAction, ...]":
        """The day's events in order."""
        return tuple(
            cls(
                action_id=number,
                type=event.action.kind,
                symbol=event.action.symbol,
                ex_date=event.action.ex_date,
                value=event.action.value,
                new_symbol=event.action.new_symbol,
                amount=event.amount,
                price=event.price,
                cash=event.cash,
            )
            for number, event in enumerate(events, start=1)
        )

    @property
    def action(self) -> CorporateAction:
        """What happened."""
        return CorporateAction(self.symbol, self.ex_date, self.type, self.value, self.new_symbol)


class RefusedOrder(Entry):
    """An order that the ledger refused, with its code and numbers."""

    type: Side
    symbol: str
    amount: str
    code: RefusalCode
    message: str
    details: dict[str, StrictInt | Money] = {}
    step: int = 0

    @classmethod
    def of(cls, refusal: Refusal, step: int = 0) -> "RefusedOrder":
        """The stored form of a refusal, with the model call that ordered it (0 for none)."""
        return cls(
            type=refusal.action,
            symbol=refusal.symbol,
            amount=refusal.amount,
            code=refusal.code,
            message=refusal.message,
            details=dict(refusal.details),
            step=step,
        )


class ToolRequest(Entry):
    """A tool call as the trader wrote it: ``arguments`` may be an object, a JSON text, or nonsense."""

    id: str
    name: str
    arguments: JsonValue = None


class Message(Entry):
    """One line of the transcript as sent or received; a tool's line carries its input and its time.

    The notes are what a tool had to say that the trader was not told.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    step: int = 0
    at: dt.datetime
    tool_calls: tuple[ToolRequest, ...] = ()
    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_input: JsonValue = None
    is_error: bool = False
    seconds: float | None = None
    extra: dict[str, JsonValue] = {}
    notes: dict[str, JsonValue] = {}


class ModelCall(Entry):
    """Tokens, cost and time of one model call; what the provider does not report is None."""

    step: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    attempts: int = 1
    latency_seconds: float


class ToolUse(Entry):
    """Calls, errors and seconds of one tool over the session."""

    name: str
    calls: int
    errors: int
    seconds: float


class Versions(Entry):
    """Hashes of what the session was made from, and the prompt's own version; empty where there is none."""

    config: str
    prices: str
    prompt: str = ""
    prompt_version: str = ""


class RecordRef(Entry):
    """Names a record: its session, the launch that produced it, and its content hash (empty in old records)."""

    date: dt.date
    launch: str
    hash: str = ""


class SeenPrices(Entry):
    """The bars that a session saw: symbols by span of dates, such as ``2025-10-01..2025-10-02``.

    Of its own day these are the opens. ``hash`` is the fingerprint of what they were.
    """

    spans: dict[str, tuple[str, ...]]
    hash: str

    @classmethod
    def by(cls, view: MarketView) -> "SeenPrices":
        """What a watched view was asked for."""
        seen = view.seen()
        spans = {f"{first}..{last}": tuple(symbols) for (first, last), symbols in seen.items()}
        return cls(spans=spans, hash=view.fingerprint(seen))

    def dates(self) -> Spans:
        """The spans as dates."""
        ends = ((span.partition(".."), symbols) for span, symbols in self.spans.items())
        return {
            (dt.date.fromisoformat(first), dt.date.fromisoformat(last)): symbols
            for (first, _, last), symbols in ends
        }

    def hold_any(self, bars: Mapping[str, Sequence[dt.date]]) -> bool:
        """Whether the session saw one of these bars, dates by symbol."""
        return any(
            first <= date <= last
            for (first, last), symbols in self.dates().items()
            for symbol in bars.keys() & set(symbols)
            for date in bars[symbol]
        )


class ImportedBook(Entry):
    """Where an imported session comes from, and what was wrong with it if it was taken all the same.

    No corporate action is applied to it: its portfolio is what its file says. ``adjusted`` says whether the prices
    that it was checked by were adjusted for splits; it is missing in old records.
    """

    file: str
    sha256: str
    lines: tuple[int, ...]
    breaches: tuple[str, ...] = ()
    # Left out of old records' JSON, and so of their hashes.
    adjusted: bool | None = Field(default=None, exclude_if=lambda adjusted: adjusted is None)


class SessionRecord(Entry):
    """One model-day. ``opened_from`` names the record whose end portfolio this one started with."""

    schema_version: Literal[1]
    date: dt.date
    model: str
    kind: Literal["model", "baseline"]
    source: Literal["session", "import"] = "session"
    trader: str
    launch: str
    session_number: Annotated[int, Field(ge=1)]
    opened_from: RecordRef | None = None
    versions: Versions
    initial_cash: Money
    start: Book
    end: Book
    actions: tuple[Annotated[Action | AppliedAction, Field(discriminator="type")], ...] = ()
    refusals: tuple[RefusedOrder, ...] = ()
    end_reason: EndReason
    messages: tuple[Message, ...] = ()
    calls: tuple[ModelCall, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    started_at: dt.datetime
    finished_at: dt.datetime
    book: ImportedBook | None = None
    prices_seen: SeenPrices | None = None

    @property
    def fills(self) -> tuple[Action, ...]:
        """The orders that were filled."""
        return tuple(action for action in self.actions if isinstance(action, Action))

    @property
    def events(self) -> tuple[AppliedAction, ...]:
        """The corporate actions that were applied before the open."""
        return tuple(action for action in self.actions if isinstance(action, AppliedAction))

    @property
    def ref(self) -> RecordRef:
        """The name by which a later record says that it opened from this one."""
        return RecordRef(date=self.date, launch=self.launch, hash=self.content_hash)

    def follows(self, earlier: "SessionRecord") -> bool:
        """Whether this session opened from an earlier one as that is now."""
        opened = self.opened_from
        if opened is None or opened.date != earlier.date:
            return False
        return opened.hash == earlier.content_hash if opened.hash else opened.launch == earlier.launch

    def to_json(self) -> bytes:
        """The record as it is stored: readable JSON, money as decimal text, one trailing newline."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    def essence(self) -> bytes:
        """Canonical JSON of what the session did, without clock times and launch names.

        Two runs of the same session on the same prices have the same essence, byte for byte.
        """
        return json.dumps(self.model_dump(mode="json", exclude=dict(_INCIDENTAL)), sort_keys=True).encode()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the essence, in hexadecimal: the data version of the model-day."""
        return hashlib.sha256(self.essence()).hexdigest()
