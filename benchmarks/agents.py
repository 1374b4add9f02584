"""What a session with a model costs beside the model: 40 at once, and one after the other.

    python -m benchmarks.agents [--models 40] [--sessions 10] [--seconds 0.3] [--alone 100]

The models are `aitrader fake-openai` in a process of its own, which looks up a price, buys and is done: three
calls a session. Side by side they are compared with the longest chain, which is its calls' latency alone; one
after the other, at an endpoint that answers at once, with the same requests sent by a bare HTTP client.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from aitrader_pipeline.trading.chains import Cell, Order, run_order
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.traders import ToolSchema
from aitrader_pipeline.trading.traders.chat import ChatCompletions
from aitrader_pipeline_tests.markets import ENVIRON, model, open_arena
from benchmarks.arenas import sessions, write_arena
from benchmarks.measuring import machine

RATIO_BUDGET = 1.3
OVERHEAD_BUDGET_MS = 30.0


def main() -> None:
    """Run both comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.3, help="latency of a model call")
    parser.add_argument("--alone", type=int, default=100, help="sessions one after the other")
    arguments = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    print("| | seconds | compared with | ratio or difference | budget |\n|-|-:|-|-:|-:|")
    with _endpoint(arguments.seconds) as url:
        seconds, records = _traded(url, arguments.models, arguments.sessions)
        longest = max(_calls(records, name) for name in {record.model for record in records}) * arguments.seconds
        print(
            f"| {arguments.models} models x {arguments.sessions} sessions, {arguments.seconds:g} s a call "
            f"| {seconds:.2f} | longest chain, {longest:.2f} s | {seconds / longest:.2f} | {RATIO_BUDGET} |",
            flush=True,
        )
    with _endpoint(0) as url:
        seconds, records = _traded(url, 1, arguments.alone)
        bare = asyncio.run(_bare(url, records))
        over = 1000 * (seconds - bare) / len(records)
        print(
            f"| {len(records)} sessions, one after the other, instant answers | {seconds:.2f} "
            f"| its HTTP alone, {bare:.2f} s | {over:.1f} ms a session | {OVERHEAD_BUDGET_MS:g} ms |"
        )


@contextmanager
def _endpoint(seconds: float) -> Iterator[str]:
    """The address of a fake endpoint in a process of its own."""
    program = str(Path(sys.executable).with_name("aitrader"))
    words = [program, "fake-openai", "--port", "0", "--latency", str(seconds)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stderr.readline() if process.stderr else ""
            yield next(word for word in told.split() if word.startswith("http"))
        finally:
            process.terminate()


def _traded(url: str, models: int, days: int) -> tuple[float, list[SessionRecord]]:
    """Seconds of a run of these sessions in this process, and their records."""
    names = [f"fake-{i:02}" for i in range(models)]
    dates = sessions("2012-06-01")[:days]
    with tempfile.TemporaryDirectory() as folder:
        write_arena(Path(folder), [model(name, url) for name in names], dates)
        arena = open_arena(Path(folder), ENVIRON)
        cells = frozenset(Cell(date, name) for date in dates for name in names)
        arena.view(dates[0])
        started = time.perf_counter()
        outcome = run_order(arena, Order(cells, "benchmark"))
        seconds = time.perf_counter() - started
        if outcome.failures:
            raise RuntimeError("; ".join(map(str, outcome.failures[:3])))
        found = (arena.records.read(cell.model, cell.date) for cell in sorted(cells))
        return seconds, [record for record in found if record]


def _calls(records: Sequence[SessionRecord], name: str) -> int:
    return sum(len(record.calls) for record in records if record.model == name)


async def _bare(url: str, records: Sequence[SessionRecord]) -> float:
    """Seconds of the same requests, one after the other, with nothing made of the answers."""
    bodies = [body for record in records for body in _bodies(record)]
    async with httpx2.AsyncClient() as client:
        started = time.perf_counter()
        for body in bodies:
            (await client.post(f"{url}/chat/completions", json=body)).raise_for_status()
        return time.perf_counter() - started


def _bodies(record: SessionRecord) -> list[dict[str, Any]]:
    """The requests of a session, as they were sent; the tools are told by a schema of the usual size."""
    wire = ChatCompletions()
    tool = ToolSchema(
        "get_price_local", "The daily bar of a symbol on a date.", {"type": "object", "properties": {}}
    )
    turns = [i for i, message in enumerate(record.messages) if message.role == "assistant"]
    return [{"model": record.model, **wire.request(record.messages[:turn], [tool] * 6)} for turn in turns]


if __name__ == "__main__":
    main()
