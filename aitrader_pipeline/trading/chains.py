"""Chains: any set of model-days, each model's days in order, the models side by side."""

import asyncio
import datetime as dt
import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aitrader_pipeline.errors import ArenaError
from aitrader_pipeline.interruption import run_interruptibly
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.outdated import superseded_by
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.session import Contestant


class Cell(NamedTuple):
    """A model-day."""

    date: dt.date
    model: str

    def __str__(self) -> str:
        """As a partition key: ``2025-10-02|gpt-5``."""
        return f"{self.date.isoformat()}|{self.model}"


@dataclass(frozen=True)
class Failure:
    """A model-day that failed, why, and the later days of its chain that were not run because of it."""

    cell: Cell
    error: Exception
    not_run: tuple[Cell, ...]

    def __str__(self) -> str:
        """One line for people: the cell, the reason, what it kept from running."""
        known = isinstance(self.error, ArenaError)
        reason = str(self.error) if known else f"{type(self.error).__name__}: {self.error}"
        rest = f" (not run because of it: {len(self.not_run)} later sessions)" if self.not_run else ""
        return f"{self.cell.model} on {self.cell.date}: {reason}{rest}"


@dataclass
class Outcome:
    """What became of the cells that were asked for.

    Attributes:
        done: run by the order's launch.
        kept: finished before and left as they are.
        failures: chains that failed.
        superseded: later sessions that stand, and opened from what has been replaced now.
    """

    done: list[Cell] = field(default_factory=list)
    kept: list[Cell] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    superseded: list[Cell] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """What a run is asked to do.

    Attributes:
        cells: the model-days that this run answers for.
        launch: the launch it belongs to: a session that the launch has written is never repeated.
        owed: all cells of the launch; those before the run's own are run first, whoever owns them.
        keep_finished: leave finished model-days as they are (catch up) instead of replacing them.
        since: when the launch was asked for. What another launch has begun after that, under the same settings, is
            as new as what this one would make, and is not run twice.
    """

    cells: frozenset[Cell]
    launch: str
    owed: frozenset[Cell] = frozenset()
    keep_finished: bool = False
    since: dt.datetime | None = None

    def keeps(self, standing: SessionRecord, before: SessionRecord | None, arena: Arena) -> bool:
        """Whether a finished session is left as it is.

        Args:
            standing: its record.
            before: the record that this run has just passed in the chain, None for the first.
            arena: the settings and records that it would be run with.
        """
        if self.keep_finished or standing.launch == self.launch:
            return True
        if self.since is None or standing.started_at < self.since:
            return False
        before = before or arena.records.before(standing.model, standing.date)
        is_alike = standing.versions.config == arena.config.settings_hash(standing.model)
        return is_alike and (before is None or standing.follows(before))


async def run_chains(
    arena: Arena,
    order: Order,
    *,
    on_record: Callable[[SessionRecord], None] = lambda _: None,
    on_failure: Callable[[Failure], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run model-days; one model's failure ends its chain and no other.

    Args:
        arena: what they are run in.
        order: what is to be run.
        on_record: called for each of the order's cells as soon as its record stands, and for those that it only
            owed and has run.
        on_failure: called for each chain that fails.
        on_wait: called with a model's signature when another run holds its chain.
    """
    outcome = Outcome()
    gate = asyncio.Semaphore(arena.config.agent_config.max_concurrent_sessions)

    async def extend(model: str) -> None:
        last = max(cell.date for cell in order.cells if cell.model == model)
        days = sorted({c.date for c in order.cells | order.owed if c.model == model and c.date <= last})
        contestant: Contestant | None = None
        newest: SessionRecord | None = None
        position = 0
        try:
            async with arena.records.lock(model, lambda: on_wait(model)):
                for position, date in enumerate(days):  # noqa: B007 - read where a failure is told
                    standing = arena.records.read(model, date)
                    keep = standing is not None and order.keeps(standing, newest, arena)
                    record = standing if keep else None
                    if record is None:
                        contestant = contestant or arena.seat(model)
                        previous = arena.opening_record(model, date)
                        async with gate:
                            record = await arena.trade(contestant, date, launch=order.launch, previous=previous)
                    newest = record
                    is_own = Cell(date, model) in order.cells
                    if is_own:
                        (outcome.done if record.launch == order.launch else outcome.kept).append(Cell(date, model))
                    # The run whose cell it is may have failed at it before this one.
                    if is_own or not keep:
                        on_record(record)
            # What the launch still owes it will run itself.
            superseded = (Cell(date, model) for date in superseded_by(newest, arena.records))
            outcome.superseded += [cell for cell in superseded if cell not in order.owed]
        except Exception as error:  # noqa: BLE001 - one model's failure, whatever it is, must not stop the others
            later = tuple(Cell(d, model) for d in days[position + 1 :])
            failure = Failure(Cell(days[position], model), error, later)
            outcome.failures.append(failure)
            outcome.superseded += [Cell(date, model) for date in superseded_by(newest, arena.records)]
            on_failure(failure)
        finally:
            if contestant is not None:
                await contestant.trader.close()

    try:
        await asyncio.gather(*(extend(model) for model in sorted({cell.model for cell in order.cells})))
    finally:
        await arena.close()
    outcome.failures.sort(key=lambda failure: failure.cell)
    return outcome


def run_order(arena: Arena, order: Order, **callbacks: Callable[..., None]) -> Outcome:
    """Run :func:`run_chains` to its end, from code that is not asynchronous.

    Raises:
        KeyboardInterrupt: the process was interrupted or asked to end; every session was left as a whole or not at
            all, and every chain is free.
    """
    # The bars live as long as the run, and are most of what the garbage collector would look at again and again.
    gc.freeze()
    try:
        return run_interruptibly(run_chains(arena, order, **callbacks))
    finally:
        gc.unfreeze()
