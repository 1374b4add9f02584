"""Spending: a journal of every model call under the arena's home, and the budgets in USD that are kept by it.

A call is written down before it is made, with the most that it can cost, and settled when it is answered. So a
budget holds over sessions that failed, for all processes together, and after a kill -9: what was never settled
counts in full.
"""

import asyncio
import datetime as dt
import math
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from aitrader_pipeline.errors import BudgetSpentError, SessionError, StoreError
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.trading.pricing import Rates, Tariff
from aitrader_pipeline.trading.traders import Allowance, Reply, Usage

T = TypeVar("T")
_PACKAGE = "aitrader_pipeline.trading"
_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.05
# What a call may write where the model's parameters set no limit: every current model takes that much.
USUAL_OUTPUT = 8192
# Less is not worth its price: a model that thinks would be cut off before its first word.
LEAST_OUTPUT = 1024
# The calls that count towards each budget, and what helps when it is spent.
_SCOPES = {
    "max_cost_usd": ("spent_of_session", "raise it"),
    "max_cost_usd_per_model_day": ("spent_of_model_day", "raise it"),
    "max_cost_usd_per_run": ("spent_of_launch", "raise it or launch again"),
}


@dataclass(frozen=True)
class _Room:
    """A budget: its limit, what is left of it, and what calls under way may yet give back."""

    budget: str
    limit: Decimal
    left: Decimal
    pending: Decimal


class Journal:
    """The calls of an arena, in one SQLite file."""

    def __init__(self, home: Path) -> None:
        """Keep the calls of the arena whose state lies in a folder."""
        self.path = home / "spending.sqlite"

    @contextmanager
    def account(self, tariff: Tariff, *, model: str, date: dt.date, launch: str) -> Iterator["Account"]:
        """A session's account, open while the session runs.

        Raises:
            StoreError: the file cannot be opened.
        """
        names = {"model": model, "date": date.isoformat(), "launch": launch, "session": uuid.uuid4().hex}
        with closing(self._connect()) as con:
            # A model has one session at a time, so whoever left these open was killed.
            con.execute("UPDATE calls SET outcome = 'failed' WHERE model = ? AND outcome = 'open'", [model])
            yield Account(con, tariff, names)

    def by_model(self) -> list[dict[str, Any]]:
        """What each model's calls have cost, those of failed and of replaced sessions included."""
        if not self.path.exists():
            return []
        with closing(self._connect()) as con:
            cursor = con.execute(statement(_PACKAGE, "spending_of_models"))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            con = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                con.execute("PRAGMA journal_mode = WAL").fetchall()
                con.execute("PRAGMA synchronous = NORMAL")
                con.executescript(statement(_PACKAGE, "create_calls"))
            except BaseException:
                con.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open {self.path}, the journal of what model calls have cost: {error}"
            ) from error
        return con


class Account:
    """One session's calls: each is allowed by all budgets before it is made, and settled after it."""

    def __init__(self, con: sqlite3.Connection, tariff: Tariff, names: dict[str, str]) -> None:
        """Count calls as those of a launch, model, date and session."""
        self._con = con
        self._tariff = tariff
        self._names = names

    async def ask(self, step: int, input_tokens: int, reply: Callable[[Allowance], Awaitable[Reply]]) -> Reply:
        """Make one model call, if no budget can be passed by it.

        Args:
            step: the call's number in the session.
            input_tokens: that the model reads, at most.
            reply: makes the call.

        Returns:
            The reply, its usage with the call's cost where that is known.

        Raises:
            BudgetSpentError: the call could pass a budget.
            SessionError: the model did not answer.
        """
        call = await self._begin(step, input_tokens)
        try:
            answer = await reply(call)
        except BaseException as error:
            call.fail()
            if call.was_too_short and isinstance(error, SessionError):
                raise BudgetSpentError(f"the rest of a budget in USD bought no answer: {error}") from error
            raise
        return replace(answer, usage=call.settle(answer.usage or Usage()))

    async def _begin(self, step: int, input_tokens: int) -> "_Call":
        tariff = self._tariff
        begun_at = dt.datetime.now(dt.UTC)
        input_tokens += tariff.further_input
        rates = tariff.prices.rates(input_tokens, begun_at) if tariff.prices else Rates(*[Decimal(0)] * 3)
        rates = replace(rates, output=rates.output * tariff.answers)
        least, usual = (
            rates.cost(input_tokens, tariff.output_limit or tokens) for tokens in (LEAST_OUTPUT, USUAL_OUTPUT)
        )

        def take(left: Decimal) -> _Call:
            output = tariff.output_limit or USUAL_OUTPUT
            if usual > left:
                output = math.floor((left - rates.cost(input_tokens, 0)) / rates.output)
            at_most = rates.cost(input_tokens, output)
            number = self._con.execute(
                "INSERT INTO calls (begun_at, launch, model, date, session, step, outcome, counted_usd) "
                "VALUES (:begun_at, :launch, :model, :date, :session, :step, 'open', :at_most)",
                {**self._names, "begun_at": begun_at.timestamp(), "step": step, "at_most": float(at_most)},
            ).lastrowid
            capped = tariff.limits and rates.output and not tariff.output_limit
            return _Call(self, number or 0, begun_at, at_most, output if capped else None)

        return await self.claim(least, usual, take)

    async def claim(self, least: Decimal, usual: Decimal, take: Callable[[Decimal], T]) -> T:
        """Take USD out of the budgets, in one transaction with looking what is left of them.

        While other sessions' calls are under way that may cost less than was set aside for them, a call that
        the rest would cut short waits for them.

        Args:
            least: below this a call makes no sense.
            usual: what it is given where there is enough.
            take: is told what is left, and writes down what it takes.

        Raises:
            BudgetSpentError: there is less than the least.
        """
        while True:
            with self.transaction():
                rooms = [self._room(name, limit) for name, limit in self._tariff.limits.items()]
                for room in rooms:
                    if room.left + room.pending < least:
                        raise BudgetSpentError(_spent(room, least))
                if all(room.left >= (usual if room.pending else least) for room in rooms):
                    return take(min((room.left for room in rooms), default=usual))
            await asyncio.sleep(_POLL_SECONDS)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Nobody else writes while this is open."""
        self._con.execute("BEGIN IMMEDIATE")
        try:
            yield self._con
        except BaseException:
            self._con.execute("ROLLBACK")
            raise
        self._con.execute("COMMIT")

    def update(self, number: int, outcome: str, usage: Usage, counted: Decimal) -> None:
        """Write down what became of a call, inside a transaction."""
        self._con.execute(
            "UPDATE calls SET outcome = ?, input_tokens = ?, output_tokens = ?, cost_usd = ?, counted_usd = ? "
            "WHERE number = ?",
            [outcome, usage.input_tokens, usage.output_tokens, usage.cost_usd, float(counted), number],
        )

    def cost(self, usage: Usage, at: dt.datetime) -> float | None:
        """What a call has cost: the provider's own figure, else by its tokens' prices, else unknown."""
        if usage.cost_usd is not None or self._tariff.prices is None:
            return usage.cost_usd
        return self._tariff.prices.cost(usage, at)

    def _room(self, budget: str, limit: Decimal) -> _Room:
        query, _ = _SCOPES[budget]
        alive = dt.datetime.now(dt.UTC).timestamp() - self._tariff.longest_session_seconds
        [(counted, pending)] = self._con.execute(
            statement(_PACKAGE, query), {**self._names, "alive": alive}
        ).fetchall()
        return _Room(budget, limit, limit - Decimal(repr(counted)), Decimal(repr(pending)))


class _Call(Allowance):
    """A call under way: what is set aside for it, and what its lost attempts may have cost."""

    def __init__(
        self, account: Account, number: int, begun_at: dt.datetime, at_most: Decimal, output: int | None
    ) -> None:
        super().__init__(max_output_tokens=output)
        self._account = account
        self._number = number
        self._begun_at = begun_at
        self._at_most = at_most
        self._lost = 0
        self._is_unbilled = False

    @property
    def was_too_short(self) -> bool:
        """Whether the last attempt came to nothing, and may have for want of tokens to write."""
        return (self.max_output_tokens or USUAL_OUTPUT) < USUAL_OUTPUT and not self._is_unbilled

    def unbilled(self) -> None:
        self._is_unbilled = True

    async def retry(self) -> None:
        if self._is_unbilled:
            self._is_unbilled = False
            return
        await self._account.claim(self._at_most, self._at_most, lambda _: self._write(self._lost + 2, "open"))
        self._lost += 1

    def fail(self) -> None:
        """The call got no answer; an attempt that broke off may be billed all the same."""
        with self._account.transaction():
            self._write(self._lost + (not self._is_unbilled), "failed")

    def settle(self, usage: Usage) -> Usage:
        """The call was answered: its usage with what it has cost."""
        usage = replace(usage, cost_usd=self._account.cost(usage, self._begun_at))
        with self._account.transaction():
            self._write(self._lost + (usage.cost_usd is None), "answered", usage)
        return usage

    def _write(self, unknown: int, outcome: str, usage: Usage | None = None) -> None:
        usage = usage or Usage()
        counted = self._at_most * unknown + Decimal(repr(usage.cost_usd or 0.0))
        self._account.update(self._number, outcome, usage, counted)


def _spent(room: _Room, least: Decimal) -> str:
    _, advice = _SCOPES[room.budget]
    return (
        f"agent_config.{room.budget} is {room.limit:f} USD, of which {max(room.left, Decimal(0)):.6f} are left, "
        f"and the next model call may cost {least:.6f}: {advice}"
    )
