"""What commands share that launch something: the arena's instance, a progress bar, and messages for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from aitrader_pipeline.config import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aitrader_pipeline.automation.launching import Launcher, LoadedPrices
    from aitrader_pipeline.market.fetching import Fetched
    from aitrader_pipeline.partitions import Axes
    from aitrader_pipeline.trading.record import SessionRecord

_messages = Console(stderr=True, highlight=False)
# What progress counts.
MODEL_DAYS = "model-days"
CALLS = "price calls"
SECOND_CALLS = "calls to compare"

_SHOWN_REFUSALS = 10
# As a shell has it for a program that Ctrl-C has ended.
_INTERRUPTED = 130


class ProgressBars:
    """Progress on standard error; a bar appears once there is something to count."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def start(self, what: str, total: int) -> None:
        """Begin to count so many of something, once; nothing is shown of nothing."""
        if total and what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, newest="")
            self._progress.start()

    def update(self, what: str, done: int, newest: str) -> None:
        """Show how many are done, and which was the newest."""
        self._progress.update(self._tasks[what], completed=done, newest=newest)

    def advance(self, what: str, newest: str) -> None:
        """Show that one more is done."""
        if what in self._tasks:
            self._progress.update(self._tasks[what], advance=1, newest=newest)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple["DagsterInstance", "Axes"]]:
    """The arena's own Dagster instance, without runs whose process is gone, and the arena's axes."""
    from aitrader_pipeline.automation.abandoned import end_abandoned_runs
    from aitrader_pipeline.instance import opened_instance
    from aitrader_pipeline.partitions import axes_of

    with opened_instance(settings) as instance:
        for run_id in end_abandoned_runs(instance):
            say(f"run {run_id} was marked as failed: its process is gone")
        yield instance, axes_of(settings)


@contextmanager
def launching(settings: Settings) -> Iterator[tuple["Launcher", ProgressBars]]:
    """A launcher on the arena's own Dagster instance, with its progress on standard error."""
    from aitrader_pipeline.automation.launching import Launcher

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[newest]}"),
    )
    progress = Progress(*columns, console=_messages)
    bars = ProgressBars(progress)
    fetched: list[Fetched] = []

    def on_record(record: "SessionRecord") -> None:
        bars.advance(MODEL_DAYS, f"{record.model} {record.date}")

    def on_fetch(now: "Fetched") -> None:
        if not any(now is known for known in fetched):
            fetched.append(now)
        what = CALLS if now is fetched[0] else SECOND_CALLS
        newest = now.answers[-1].key if now.answers else ""
        bars.start(what, len(now.asks))
        if now.asks:
            bars.update(what, len(now.asks) - len(now.left), newest)

    with opened(settings) as (instance, _):
        try:
            yield Launcher(settings, instance, on_record, on_fetch), bars
        except KeyboardInterrupt:
            say("interrupted; what is finished is kept: the same command goes on from there", style="red")
            raise typer.Exit(_INTERRUPTED) from None
        finally:
            if progress.live.is_started:
                progress.stop()
            for one in fetched:
                tell_of(one)


def tell_of(fetched: "Fetched") -> None:
    """Tell what the vendor's calls brought; the failures one by one."""
    for failure in fetched.failed[:_SHOWN_REFUSALS]:
        say(f"not fetched: {failure.error}", style="yellow")
    if len(fetched.failed) > _SHOWN_REFUSALS:
        say(f"  ... and {len(fetched.failed) - _SHOWN_REFUSALS} more", style="yellow")
    if fetched.asks:
        say(f"{len(fetched.answers)} of {len(fetched.asks)} calls of the price vendor answered.")
    if fetched.ended_by:
        say(f"{len(fetched.left)} calls are left: {fetched.ended_by}", style="yellow")


def say(text: str, style: str = "") -> None:
    """A message on standard error, as it is: no markup, no line breaks of our own."""
    _messages.print(text, style=style, markup=False, soft_wrap=True)


def warn_of(loaded: "LoadedPrices") -> None:
    """Tell of bars and corporate actions that were refused, and of bars that are missing; the run goes on."""
    if loaded.refused:
        lines = [f"{loaded.refused} rows of the source are refused, all others are loaded:"]
        lines += [f"  {line}" for line in loaded.first_refused[:_SHOWN_REFUSALS]]
        if loaded.refused > _SHOWN_REFUSALS:
            lines.append(f"  ... and {loaded.refused - _SHOWN_REFUSALS} more")
        say("\n".join(lines), style="yellow")
    if loaded.missing:
        say(f"{loaded.missing} of the wanted bars are missing: see `aitrader prices status`", style="yellow")


def fail_on(failures: list[str]) -> None:
    """Tell of failures, if there are any, and end the command with status 1."""
    for failure in failures:
        say(f"failed: {failure}", style="red")
    if failures:
        raise typer.Exit(1)
