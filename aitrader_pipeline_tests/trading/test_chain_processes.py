"""Processes that trade the same models at the same time."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline_tests.markets import (
    FLAT,
    TEN_DAYS,
    assert_whole_chain,
    book_of,
    model,
    open_arena,
    write_arena,
)
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    OpenAIServer,
    after,
    buy,
    says,
)

M, N = "model-a", "model-b"


class Worker:
    """A process of its own that runs slices as it is told to."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "aitrader_pipeline_tests.run_slice"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, task: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()

    def listen(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    """Two processes, both awake."""
    started = [Worker(), Worker()]
    try:
        for worker in started:
            worker.tell({"models": []})
        for worker in started:
            assert worker.listen() == {}
        yield started
    finally:
        for worker in started:
            worker.stop()


def at_once(workers: Sequence[Worker], tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    for worker, task in zip(workers, tasks, strict=True):
        worker.tell(task)
    return [worker.listen() for worker in workers]


def slow_arena(folder: Path, endpoint: OpenAIServer) -> Arena:
    for name in (M, N):
        endpoint.respond(name, lambda _: after(0.06, says(FINISH, buy("AAPL", 1))))
    write_arena(folder, [model(name, endpoint.base_url) for name in (M, N)], FLAT)
    return open_arena(folder)


def test_two_processes_with_overlapping_slices_of_a_launch_make_one_chain_each_day_once(
    tmp_path: Path, endpoint: OpenAIServer, workers: list[Worker]
) -> None:
    arena = slow_arena(tmp_path, endpoint)
    task = {"folder": str(tmp_path), "models": [M, N], "launch": "backfill", "owed": TEN_DAYS}
    told = at_once(workers, [{**task, "days": TEN_DAYS[:7]}, {**task, "days": TEN_DAYS[3:]}])
    assert [outcome["failures"] for outcome in told] == [[], []]
    assert [outcome["done"] for outcome in told] == [14, 14]
    assert sorted(told[0]["waited"] + told[1]["waited"]) == [M, N]
    for name in (M, N):
        assert [request.date for request in endpoint.requests_of(name)] == list(TEN_DAYS)
        assert book_of(assert_whole_chain(arena, name, TEN_DAYS)[-1]) == (9000, {"AAPL": 10})


def test_two_launches_at_once_leave_the_whole_chain_of_the_later_one(
    tmp_path: Path, endpoint: OpenAIServer, workers: list[Worker]
) -> None:
    arena = slow_arena(tmp_path, endpoint)
    task = {"folder": str(tmp_path), "models": [M, N], "days": TEN_DAYS, "owed": []}
    told = at_once(workers, [{**task, "launch": "one"}, {**task, "launch": "two"}])
    assert [outcome["failures"] for outcome in told] == [[], []]
    for name in (M, N):
        chain = assert_whole_chain(arena, name, TEN_DAYS)
        assert len({record.launch for record in chain}) == 1
        assert len(endpoint.requests_of(name)) == 20
