"""Measuring work in processes of its own: seconds, peak memory, and the table that tells of them."""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.served_arenas import served

PATIENCE_SECONDS = 1800.0
_KIB_PER_MIB = 1024
_SAMPLED_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Measure:
    """What a piece of work took; ``peak_mib`` is that of its largest process."""

    name: str
    cells: int
    seconds: float
    peak_mib: float

    @property
    def ms_per_cell(self) -> float:
        """Milliseconds of a model-day."""
        return 1000 * self.seconds / self.cells


def in_own_process(name: str, cells: int, work: Callable[..., float], *arguments: object) -> Measure:
    """Run a function in a fresh process; it returns the seconds that count."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        seconds, peak_mib = process.submit(_with_peak, work, *arguments).result()
    return Measure(name, cells, seconds, peak_mib)


def _with_peak(work: Callable[..., float], *arguments: object) -> tuple[float, float]:
    return work(*arguments), _peak_mib(Path("/proc/self"))


def command(name: str, cells: int, arena: ArenaHome, *words: str) -> Measure:
    """Run ``aitrader`` as a process, from its start to its end.

    Raises:
        RuntimeError: it did not end well; with what it said.
    """
    started = time.perf_counter()
    process = arena.start(*words)
    peak = 0.0
    while True:
        try:
            _, said = process.communicate(timeout=_SAMPLED_EVERY_SECONDS)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, _peak_mib(Path(f"/proc/{process.pid}")))
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"aitrader {' '.join(words)} ended with {process.returncode}:\n{said}")
    return Measure(name, cells, seconds, peak)


def backfill(arena: ArenaHome, cells: Sequence[Cell]) -> Measure:
    """Materialise model-days as the UI does, by the daemon; from the click until it and its runs are over.

    Raises:
        RuntimeError: a model-day failed.
    """
    arena.materialise("prices")
    with served(arena) as ui, peak_of_runs(arena) as peak:
        started = time.perf_counter()
        status = ui.wait(ui.backfill(cells), PATIENCE_SECONDS)
        measure = Measure("backfill from the UI", len(cells), time.perf_counter() - started, peak())
    if status != "COMPLETED_SUCCESS":
        raise RuntimeError(f"the backfill ended with {status}")
    return measure


@contextmanager
def peak_of_runs(arena: ArenaHome) -> Iterator[Callable[[], float]]:
    """While this is open, watch the processes forked for an arena's runs, and the one that they are forked from.

    Yields:
        A function that returns the MiB of the largest so far.
    """
    peaks = [0.0]
    over = Event()

    def watch() -> None:
        while not over.wait(_SAMPLED_EVERY_SECONDS):
            peaks.extend(_peaks_of_runs(str(arena.home)))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(peaks)
    finally:
        over.set()
        watcher.join()


def _peaks_of_runs(home: str) -> Iterator[float]:
    """Peak MiB of every process that executes a run in this home."""
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at, and those of others may not be looked at.
        with suppress(OSError):
            if b"multiprocessing.forkserver" in (process / "cmdline").read_bytes() and (
                home.encode() in (process / "environ").read_bytes()
            ):
                yield _peak_mib(process)


def _peak_mib(process: Path) -> float:
    """The most memory that a process has had, by its folder in /proc; 0 when it is over.

    Not by rusage: that of a child begins with the size of the process that has started it.
    """
    lines = (process / "status").read_text().splitlines()
    return max((int(line.split()[1]) / _KIB_PER_MIB for line in lines if line.startswith("VmHWM")), default=0.0)


def machine() -> str:
    """The machine in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table: the first column is text, the others are numbers."""
    lines = [headings, ["-", *["-:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(_text, line)) + " |" for line in lines)


def _text(value: object) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
