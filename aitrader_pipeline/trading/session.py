"""The session: what one model does on one trading day, from the briefing to the record."""

import asyncio
import datetime as dt
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from mcp.server.lowlevel import Server

from aitrader_pipeline.errors import BudgetSpentError
from aitrader_pipeline.market.view import MarketView
from aitrader_pipeline.money import money
from aitrader_pipeline.trading.ledger import CostModel, Ledger, Portfolio
from aitrader_pipeline.trading.overnight import apply_actions, carried
from aitrader_pipeline.trading.playback import Playback
from aitrader_pipeline.trading.pricing import Tariff
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL, NUDGE, OPENING_REQUEST, Briefing, PromptTemplate
from aitrader_pipeline.trading.record import (
    SCHEMA_VERSION,
    Action,
    AppliedAction,
    Book,
    EndReason,
    Message,
    ModelCall,
    RefusedOrder,
    SeenPrices,
    SessionRecord,
    Versions,
)
from aitrader_pipeline.trading.recordings import UNRECORDED, Tape
from aitrader_pipeline.trading.spending import Account, Journal
from aitrader_pipeline.trading.tool_servers import ToolServer
from aitrader_pipeline.trading.toolbox import Toolbox
from aitrader_pipeline.trading.tools import tool_server
from aitrader_pipeline.trading.tools.math import math_tools
from aitrader_pipeline.trading.tools.price import price_tools
from aitrader_pipeline.trading.tools.trade import trade_tools
from aitrader_pipeline.trading.traders import (
    Allowance,
    Conversation,
    MeteredConversation,
    Reply,
    ToolSchema,
    Trader,
    Usage,
)


@dataclass(frozen=True)
class Budgets:
    """What a session may use; one that runs out ends the session normally.

    Attributes:
        max_steps: model calls.
        max_tool_calls: tool calls.
        time_limit_seconds: wall-clock time.
        max_tokens: input and output tokens of all calls together; None for no limit.
    """

    max_steps: int = 30
    max_tool_calls: int = 500
    time_limit_seconds: float = 600.0
    max_tokens: int | None = None


@dataclass(frozen=True)
class Contestant:
    """Who trades, under which rules: what is the same on every day of a model's chain.

    The tariff says what model calls cost, and may cost; None for a trader that makes none. What the model is
    asked with beside the transcript (its name at the endpoint, the interface, the parameters) is part of what is
    recorded.
    """

    signature: str
    kind: str
    trader_name: str
    trader: Trader
    initial_cash: Decimal
    costs: CostModel
    budgets: Budgets
    prompt: PromptTemplate
    config_hash: str
    currency: str = "USD"
    lot_size: int = 1
    sells_delisted: bool = False
    tariff: Tariff | None = None
    tool_servers: tuple[ToolServer, ...] = ()
    asked_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Transcript:
    """The exchange so far: messages, model calls, and which model call placed which order."""

    messages: list[Message] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    fill_steps: list[int] = field(default_factory=list)
    refusal_steps: list[int] = field(default_factory=list)
    tool_calls: int = 0
    nudged: bool = False

    @property
    def tokens(self) -> int:
        return sum((c.input_tokens or 0) + (c.output_tokens or 0) for c in self.calls)

    def most_input_tokens(self, tools: Sequence[ToolSchema]) -> int:
        """The most that the next call can read: what the last one read and wrote, and a token a byte since.

        Where the last one did not say, and on the first, it is a token a byte of everything.
        """
        last = self.calls[-1] if self.calls else ModelCall(step=0, latency_seconds=0)
        if last.input_tokens is None or last.output_tokens is None:
            schemas = json.dumps([{**vars(tool), "type": "function", "function": {}} for tool in tools])
            return len(schemas) + sum(_size(message) for message in self.messages)
        # Some providers do not count reasoning as output.
        known = last.input_tokens + last.output_tokens + (last.reasoning_tokens or 0)
        return known + sum(_size(message) for message in self.messages if message.step == last.step)

    def note_orders(self, ledger: Ledger, step: int) -> None:
        self.fill_steps += [step] * (len(ledger.fills) - len(self.fill_steps))
        self.refusal_steps += [step] * (len(ledger.refusals) - len(self.refusal_steps))


async def run_session(
    contestant: Contestant,
    view: MarketView,
    *,
    universe: frozenset[str],
    previous: SessionRecord | None,
    past_sessions: tuple[dt.date, ...],
    launch: str,
    budget: str,
    journal: Journal,
    further_tools: Sequence[Server[Any]] = (),
    tape: Tape = UNRECORDED,
) -> SessionRecord:
    """Trade one day.

    Args:
        contestant: who trades, under which rules.
        view: the market as it can be known at the open of ``view.date``; all that the session sees.
        universe: the symbols of the view that can be bought; of the others, what is held can be sold.
        previous: the record whose end portfolio this session starts with, None on the first session.
        past_sessions: exchange sessions before ``view.date`` for which there are prices, oldest first.
        launch: the launch that runs this session.
        budget: what its calls are counted under for the budget of a run.
        journal: where model calls are written down, with what they cost.
        further_tools: tool servers beside those for prices, orders and sums; they ask others.
        tape: records what the model and such tools answer, or answers for them.

    Returns:
        The record, not yet stored.

    Raises:
        SessionError: the trader could not answer; nothing of the day is kept.
    """
    started_at = _now()
    view = view.watched()
    deadline = time.monotonic() + contestant.budgets.time_limit_seconds
    start = previous.end.portfolio() if previous else Portfolio(money(contestant.initial_cash))
    ledger = Ledger(
        start,
        universe=universe,
        price_of=view.open,
        costs=contestant.costs,
        lot_size=contestant.lot_size,
    )
    if previous:
        apply_actions(ledger, view, previous.date, sells_delisted=contestant.sells_delisted)
    briefing = brief(contestant, view, ledger, universe=universe, previous=previous, past_sessions=past_sessions)
    transcript = _Transcript()
    _say(transcript, "system", contestant.prompt.render(briefing))
    _say(transcript, "user", OPENING_REQUEST.format(date=view.date.isoformat()))
    # One server for all three: each connection takes a millisecond.
    own_tools = [tool_server("session", [*price_tools(view), *trade_tools(ledger), *math_tools()])]
    playback = Playback(tape, contestant.asked_with)
    about = {"aitrader/date": view.date.isoformat(), "aitrader/model": contestant.signature}
    async with Toolbox.open(
        own_tools, further_tools, contestant.tool_servers, about=about, playback=playback, deadline=deadline
    ) as toolbox:
        conversation = contestant.trader.converse(briefing)
        with _account(contestant, view.date, budget, journal) as account:
            counterpart = _Counterpart(conversation, account, playback, deadline)
            end_reason = await _converse(counterpart, transcript, ledger, toolbox, contestant.budgets)
        tools = toolbox.usage()
    return SessionRecord(
        schema_version=SCHEMA_VERSION,
        date=view.date,
        model=contestant.signature,
        kind="model" if contestant.kind == "model" else "baseline",
        trader=contestant.trader_name,
        launch=launch,
        session_number=briefing.session_number,
        opened_from=previous.ref if previous else None,
        versions=Versions(
            config=contestant.config_hash,
            prices=view.hash,
            prompt=contestant.prompt.hash,
            prompt_version=contestant.prompt.version,
        ),
        initial_cash=contestant.initial_cash,
        start=Book.of(start),
        end=Book.of(ledger.portfolio),
        actions=(
            *AppliedAction.numbered(ledger.events),
            *Action.numbered(ledger.fills, transcript.fill_steps, first=len(ledger.events) + 1),
        ),
        refusals=tuple(map(RefusedOrder.of, ledger.refusals, transcript.refusal_steps)),
        end_reason=end_reason,
        messages=tuple(transcript.messages),
        calls=tuple(transcript.calls),
        tools=tools,
        started_at=started_at,
        finished_at=_now(),
        prices_seen=SeenPrices.by(view),
    )


def brief(
    contestant: Contestant,
    view: MarketView,
    ledger: Ledger,
    *,
    universe: frozenset[str],
    previous: SessionRecord | None,
    past_sessions: tuple[dt.date, ...],
) -> Briefing:
    """The facts of the session, from the ledger's own book and the market view."""
    shown = tuple(s for s in view.universe if s in universe or s in ledger.portfolio.shares)
    opens = {s: price for s in shown if (price := view.open(s)) is not None}
    closes = {s: close for s in shown if (close := view.last_close(s)) is not None}
    return Briefing(
        date=view.date,
        session_number=previous.session_number + 1 if previous else 1,
        universe=shown,
        only_to_sell=frozenset(shown) - universe,
        portfolio=ledger.portfolio,
        events=tuple(ledger.events),
        opens=opens,
        closes={symbol: price for symbol, (_, price) in closes.items()},
        stale_closes={symbol: date for symbol, (date, _) in closes.items() if date < view.previous_session},
        previous_market_session=view.previous_session,
        past_sessions=past_sessions,
        previous_session=previous.date if previous else None,
        previous_profit=_close_marked_profit(previous, view) if previous else Decimal(0),
        splits=tuple(action for action in view.actions if action.kind == "split"),
        value_at_open=ledger.portfolio.value(lambda s: opens[s] if s in opens else carried(view, s)),
        costs=contestant.costs,
        currency=contestant.currency,
        lot_size=contestant.lot_size,
    )


def _close_marked_profit(record: SessionRecord, view: MarketView) -> Decimal:
    """Profit of an earlier session: its end at its close less its start at the close before."""
    closing = record.end.portfolio().value(lambda s: _close_through(view, s, record.date))
    before = record.opened_from
    base = record.start.portfolio().value(
        lambda s: _close_through(view, s, before.date if before else record.date)
    )
    return closing - base


def _close_through(view: MarketView, symbol: str, date: dt.date) -> Decimal:
    """The close on a date, or the newest one before it per share of that date."""
    close = view.close(symbol, date)
    if close is not None:
        return close
    for bar in reversed(view.bars(symbol, 250)):
        if bar.date < date and bar.close is not None:
            return view.per_share(bar.close, symbol, bar.date, date)
    return carried(view, symbol)


@dataclass(frozen=True)
class _Counterpart:
    """Who is asked: the model within its budgets, or the recordings in its place."""

    conversation: Conversation
    account: Account | None
    playback: Playback
    deadline: float

    async def reply(self, step: int, transcript: _Transcript, tools: tuple[ToolSchema, ...]) -> Reply | EndReason:
        """The next turn; or the budget that ends the session instead of it or while it was under way.

        Raises:
            SessionError: the trader could not answer, or there is not even money for the session's first call.
        """
        answered = self.playback.reply(step, transcript.messages, tools)
        if answered is None:
            answered = await self._asked(step, transcript, tools)
            self.playback.keep(step, transcript.messages, tools, answered)
        return answered

    async def _asked(self, step: int, transcript: _Transcript, tools: tuple[ToolSchema, ...]) -> Reply | EndReason:
        if time.monotonic() >= self.deadline:
            return "time_budget"
        try:
            async with asyncio.timeout(self.deadline - time.monotonic()) as limit:
                if self.account is None:
                    return await self.conversation.reply(transcript.messages, tools)
                most = transcript.most_input_tokens(tools)
                return await self.account.ask(step, most, _metered(self.conversation, transcript, tools))
        except TimeoutError:
            if limit.expired():
                return "time_budget"
            raise
        except BudgetSpentError:
            if transcript.calls:
                return "cost_budget"
            raise


async def _converse(
    counterpart: _Counterpart, transcript: _Transcript, ledger: Ledger, toolbox: Toolbox, budgets: Budgets
) -> EndReason:
    for step in range(1, budgets.max_steps + 1):
        if budgets.max_tokens is not None and transcript.tokens >= budgets.max_tokens:
            return "token_budget"
        started = time.perf_counter()
        reply = await counterpart.reply(step, transcript, toolbox.schemas)
        if not isinstance(reply, Reply):
            return reply
        _note(reply, transcript, step, time.perf_counter() - started)
        ended = await _run_tools(reply, transcript, ledger, toolbox, budgets, step)
        if ended is not None:
            return ended
        if finishes(reply.text):
            return "finished"
        if not reply.tool_calls:
            if transcript.nudged:
                return "no_tool_calls"
            transcript.nudged = True
            _say(transcript, "user", NUDGE, step)
    return "max_steps"


def _note(reply: Reply, transcript: _Transcript, step: int, seconds: float) -> None:
    usage = reply.usage or Usage()
    transcript.calls.append(
        ModelCall(
            step=step,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=usage.cost_usd,
            attempts=usage.attempts,
            latency_seconds=seconds,
        )
    )
    transcript.messages.append(
        Message(
            role="assistant",
            content=reply.text,
            step=step,
            at=_now(),
            tool_calls=reply.tool_calls,
            extra=dict(reply.extra),
        )
    )


def _metered(
    conversation: Conversation, transcript: _Transcript, tools: tuple[ToolSchema, ...]
) -> Callable[[Allowance], Awaitable[Reply]]:
    if isinstance(conversation, MeteredConversation):
        return partial(conversation.reply_within, transcript.messages, tools)
    return lambda _: conversation.reply(transcript.messages, tools)


async def _run_tools(
    reply: Reply, transcript: _Transcript, ledger: Ledger, toolbox: Toolbox, budgets: Budgets, step: int
) -> EndReason | None:
    """Run a reply's tool calls one after another, in the order given; returns the budget that ended them."""
    for request in reply.tool_calls:
        if transcript.tool_calls >= budgets.max_tool_calls:
            return "tool_budget"
        transcript.tool_calls += 1
        result = await toolbox.call(request.name, request.arguments)
        transcript.note_orders(ledger, step)
        transcript.messages.append(
            Message(
                role="tool",
                content=result.text,
                step=step,
                at=_now(),
                tool_call_id=request.id,
                tool_name=request.name,
                tool_input=result.input,
                is_error=result.is_error,
                seconds=result.seconds,
                notes=dict(result.notes),
            )
        )
        if result.out_of_time:
            return "time_budget"
    return None


def finishes(text: str) -> bool:
    """Whether a text ends the session: the signal at its end, or alone on a line; a mention is not enough."""
    stripped = text.strip()
    return stripped.endswith(FINISH_SIGNAL) or any(line.strip() == FINISH_SIGNAL for line in stripped.splitlines())


def _size(message: Message) -> int:
    """Bytes of a message as it is stored, which is more than is sent."""
    return len(message.model_dump_json().encode())


def _account(
    contestant: Contestant, date: dt.date, budget: str, journal: Journal
) -> AbstractContextManager[Account | None]:
    """The session's account; None where there is nothing to pay for."""
    if contestant.tariff is None:
        return nullcontext()
    return journal.account(contestant.tariff, model=contestant.signature, date=date, launch=budget)


def _say(transcript: _Transcript, role: str, content: str, step: int = 0) -> None:
    transcript.messages.append(
        Message(role="system" if role == "system" else "user", content=content, step=step, at=_now())
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
