"""The fake endpoint as a product: what it answers by itself, by a script and with faults, and its command."""

import asyncio
import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from aitrader_pipeline.errors import CallError
from aitrader_pipeline.trading.fake_openai.models import Faults, scripted, small_buyer
from aitrader_pipeline.trading.fake_openai.received import Received
from aitrader_pipeline.trading.fake_openai.server import FakeOpenAI
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import GOLDEN, GOLDEN_DAYS, OCT_02, book_of, finished, model
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import FINISH, OpenAIServer, buy, finishes, says, tokens

BOTH = {"one": "chat", "two": "responses"}
TURN: dict[str, Any] = {
    "text": "I buy.",
    "calls": [{"name": "buy", "arguments": {"symbol": "NVDA", "amount": 7}}],
}


@pytest.fixture(params=["chat", "responses"])
def endpoint(endpoint: OpenAIServer, request: pytest.FixtureRequest) -> OpenAIServer:
    endpoint.api = request.param
    return endpoint


def script(folder: Path, content: object) -> Path:
    path = folder / "script.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# --- how its models play ---


def test_by_itself_a_model_asks_a_price_buys_a_little_and_is_done(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.respond(M, small_buyer)
    record, *_ = finished(arena_of(tmp_path, endpoint), M, GOLDEN_DAYS)
    assert [m.tool_name for m in record.messages if m.role == "tool"] == ["get_price_local", "buy"]
    assert [m.is_error for m in record.messages if m.role == "tool"] == [False, False]
    assert (record.end_reason, len(record.actions)) == ("finished", 1)
    assert 1 <= record.actions[0].amount <= 3
    assert all(call.input_tokens for call in record.calls)


def test_by_itself_a_model_plays_the_same_day_the_same_way_each_time(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.respond(M, small_buyer)
    arena = arena_of(tmp_path, endpoint)
    first = finished(arena, M, GOLDEN_DAYS, launch="one")
    second = finished(arena, M, GOLDEN_DAYS, launch="two")
    assert [record.essence() for record in first] == [record.essence() for record in second]
    assert len({(a.symbol, a.amount) for record in first for a in record.actions}) > 1


def test_a_script_is_played_in_every_session_from_its_beginning(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.respond(M, scripted(script(tmp_path, [TURN, {"calls": TURN["calls"]}])))
    first, second = finished(arena_of(tmp_path, endpoint), M, GOLDEN_DAYS[:2])
    assert [m.content for m in first.messages if m.role == "assistant"] == ["I buy.", "", f"Done. {FINISH}"]
    assert (book_of(first)[1], book_of(second)[1]) == ({"NVDA": 14}, {"NVDA": 28})


@pytest.mark.parametrize("name", [M, "*"])
def test_a_script_may_be_by_the_models_names(tmp_path: Path, endpoint: OpenAIServer, name: str) -> None:
    endpoint.respond(M, scripted(script(tmp_path, {name: [TURN], "other": []})))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9650, {"NVDA": 7})


@pytest.mark.parametrize("content", ["[", "3", '[{"call": []}]', '[{"calls": [{"arguments": {}}]}]'])
def test_a_file_that_is_no_script_is_refused_with_an_example(tmp_path: Path, content: str) -> None:
    with pytest.raises(CallError, match=r'script\.json: .*use a list of turns such as \{"text"'):
        scripted(script(tmp_path, content))


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"none\.json: No such file"):
        scripted(tmp_path / "none.json")


# --- faults ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("200=0.1", "use a status from 400 to 599, timeout, cut or garbage"),
        ("slow=0.1", "use a status from 400 to 599, timeout, cut or garbage"),
        ("cut", "use a share between 0 and 1, such as cut=0.1"),
        ("cut=2", "use a share between 0 and 1"),
        ("cut=-1", "use a share between 0 and 1"),
        ("cut=0.6,429=0.6", "the shares are more than 1 together"),
    ],
)
def test_faults_that_make_no_sense_are_refused(text: str, problem: str) -> None:
    with pytest.raises(CallError, match=f"--faults .*{problem}"):
        Faults.parsed(text)


def requests() -> list[Received]:
    return [Received({"model": f"m-{n}", "messages": []}, "", 0.0) for n in range(1000)]


def test_faults_come_at_their_rates_and_hang_on_the_seed_not_on_the_order() -> None:
    def statuses(seed: int, asked: list[Received]) -> dict[str, int]:
        respond = Faults.parsed("429=0.2,500=0.1", seed).upon(lambda _: finishes())
        return {received.model: respond(received).status for received in asked}

    once = statuses(1, requests())
    assert once == statuses(1, requests()[::-1]) != statuses(2, requests())
    counts = Counter(once.values())
    assert 150 < counts[429] < 250
    assert 60 < counts[500] < 140


def test_a_request_that_is_made_again_is_drawn_again() -> None:
    respond = Faults.parsed("500=0.5").upon(lambda _: finishes())
    assert {respond(requests()[0]).status for _ in range(20)} == {200, 500}


# --- what the openai SDK makes of it ---


def test_the_sdk_s_own_types_accept_its_answers_on_both_apis() -> None:
    order = says("Buying.", buy("AAPL", 1), buy("MSFT", 1), usage=tokens(1, 2))

    async def ask(base_url: str) -> tuple[Any, Any]:
        async with openai.AsyncOpenAI(
            api_key="none", base_url=base_url, max_retries=0, _strict_response_validation=True
        ) as client:
            completion = await client.chat.completions.create(
                model=M, messages=[{"role": "user", "content": "Hi"}]
            )
            response = await client.responses.create(model=M, input="Hi")
        return completion, response

    with FakeOpenAI(lambda _: order).running() as server:
        completion, response = asyncio.run(ask(server.base_url))
    assert completion.choices[0].message.content == response.output_text == "Buying."
    assert len(completion.choices[0].message.tool_calls) == len(response.output[1:]) == 2
    assert completion.usage.total_tokens == response.usage.total_tokens == 3


# --- the command ---


@contextmanager
def fake_openai(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process of its own, and the address that it tells."""
    with ArenaHome(folder).start("fake-openai", "--port", "0", *words) as process:
        try:
            assert process.stderr is not None
            told = re.search(r"http://127\.0\.0\.1:\d+/v1", process.stderr.readline())
            assert told
            yield process, told.group()
        finally:
            process.kill()


def test_a_run_against_the_command_needs_no_key_and_survives_its_faults(tmp_path: Path) -> None:
    with fake_openai(tmp_path, "--latency", "0.01", "--faults", "429=0.2,cut=0.1,garbage=0.1") as (process, url):
        entries = [model(name, url, openai_api_key=None, api=api) for name, api in BOTH.items()]
        arena = priced_arena(tmp_path, entries, GOLDEN, max_retries=9, base_delay=0.01)
        arena.ok("run", "--end", GOLDEN_DAYS[1])
        results = arena.ok("results", "--date", GOLDEN_DAYS[1], "--detail", "full", "--format", "json").json
        assert [result["model"] for result in results["results"]] == sorted(BOTH)
        assert all(len(result["trades"]) == 1 for result in results["results"])
        assert sum(call.attempts - 1 for r in arena.all_records().values() for call in r.calls) > 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_ctrl_c_ends_the_command_though_answers_are_under_way(tmp_path: Path) -> None:
    with fake_openai(tmp_path, "--faults", "timeout=1") as (process, url):
        asking = openai.OpenAI(api_key="none", base_url=url, max_retries=0, timeout=0.5)
        with asking, pytest.raises(openai.APITimeoutError):
            asking.chat.completions.create(model=M, messages=[{"role": "user", "content": "Hi"}])
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_call_of_the_command_that_is_wrong_is_told(tmp_path: Path) -> None:
    arena = ArenaHome(tmp_path)
    assert (arena.aitrader("fake-openai", "--faults", "slow=1").status) == 2
    with FakeOpenAI(small_buyer).running() as other:
        port = other.base_url.rpartition(":")[2].partition("/")[0]
        answer = arena.aitrader("fake-openai", "--port", port)
    assert answer.status == 2
    assert f"--port {port}: Address already in use; name another" in answer.said
