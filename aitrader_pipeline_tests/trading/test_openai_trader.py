"""A model behind a real socket: what is sent to it, which failures are repeated, and what a failure leaves."""

import logging
import socket
import time
import traceback
from pathlib import Path

import pytest

from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline_tests.markets import (
    KEY,
    KEY_VARIABLE,
    OCT_02,
    OCT_03,
    book_of,
    day,
    failure,
    finished,
    open_arena,
    stored,
)
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Answer,
    Call,
    OpenAIServer,
    after,
    buy,
    call,
    dripping,
    fails,
    finishes,
    hangs_up,
    says,
    sends,
)

LONG = 30.0


def files_of(arena: Arena) -> list[str]:
    """Every file under the record store but the locks."""
    return sorted(path.name for path in arena.records.root.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.fixture(params=["chat", "responses"])
def endpoint(endpoint: OpenAIServer, request: pytest.FixtureRequest) -> OpenAIServer:
    endpoint.api = request.param
    return endpoint


# --- what is sent ---


def test_a_call_carries_the_endpoint_s_model_name_the_params_and_the_key(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    entry = {"basemodel": "vendor/big-model", "params": {"temperature": 0.25, "seed": 7}}
    endpoint.script("vendor/big-model", finishes())
    (record,) = finished(arena_of(tmp_path, endpoint, entry=entry), M, OCT_02)
    (request,) = endpoint.requests
    assert {name: request.body[name] for name in ("model", "temperature", "seed")} == {
        "model": "vendor/big-model",
        "temperature": 0.25,
        "seed": 7,
    }
    assert request.authorization == f"Bearer {KEY}"
    assert (record.model, record.trader, record.kind) == (M, "vendor/big-model", "model")


def test_the_endpoint_may_come_from_the_environment(tmp_path: Path, endpoint: OpenAIServer) -> None:
    entry = {"openai_base_url": None, "openai_api_key": None}
    arena_of(tmp_path, endpoint, entry=entry)
    environ = {"OPENAI_API_BASE": endpoint.base_url, "OPENAI_API_KEY": "another-key"}
    endpoint.script(M, finishes())
    finished(open_arena(tmp_path, environ), M, OCT_02)
    assert endpoint.requests[0].authorization == "Bearer another-key"


def test_params_go_out_as_they_are_whatever_the_sdk_knows_of_them(tmp_path: Path, endpoint: OpenAIServer) -> None:
    entry = {"params": {"top_k": 20, "provider": {"order": ["a", "b"]}}}
    endpoint.script(M, finishes())
    finished(arena_of(tmp_path, endpoint, entry=entry), M, OCT_02)
    body = endpoint.requests[0].body
    assert (body["top_k"], body["provider"]) == (20, {"order": ["a", "b"]})


@pytest.mark.parametrize("name", ["stream", "messages", "tools", "model", "input"])
def test_params_that_the_session_sets_itself_are_refused(
    tmp_path: Path, endpoint: OpenAIServer, name: str
) -> None:
    error = failure(arena_of(tmp_path, endpoint, entry={"params": {name: True}}), M, OCT_02)
    assert isinstance(error, ConfigError)
    assert str(error) == f"{M}: params must not hold {name}: the session sets that itself"
    assert endpoint.requests == []


# --- what a model answers ---


def test_reused_call_ids_are_made_unique_and_each_result_finds_its_call(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    order = Call("buy", {"symbol": "AAPL", "amount": 1}, id="call_0")
    endpoint.script(M, says("", order, order), says("", order), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    ids = ["call_0", "call00001", "call00002"]
    assert [call.id for m in record.messages for call in m.tool_calls] == ids
    assert [m.tool_call_id for m in record.messages if m.role == "tool"] == ids
    assert book_of(record) == (9700, {"AAPL": 3})


def test_a_refusal_is_what_the_model_said(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("I cannot help.", refused=True), says("Nor now.", refused=True))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert record.end_reason == "no_tool_calls"
    assert [m.content for m in record.messages if m.role == "assistant"] == [
        "I cannot help.",
        "Nor now.",
    ]


def test_a_tool_call_that_is_cut_off_is_answered_with_an_error_and_the_day_goes_on(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    cut_off = says("", Call("buy", '{"symbol": "AAPL", "amo'), truncated=True)
    endpoint.script(M, cut_off, says("", buy("AAPL", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert [m.is_error for m in record.messages if m.role == "tool"] == [True, False]
    assert book_of(record) == (9900, {"AAPL": 1})


def test_a_text_that_is_cut_off_goes_on(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("I think that", truncated=True), says("", buy("AAPL", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("finished", (9900, {"AAPL": 1}))


def test_half_a_surrogate_pair_in_an_answer_does_not_cost_the_day(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("To the moon \ud83d", buy("AAPL", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9900, {"AAPL": 1})


# --- which failures are repeated ---

PASSING = {
    "429": fails(429),
    "408": fails(408),
    "409": fails(409),
    "500": fails(500),
    "503": fails(503),
    "529": fails(529),
    "connection cut": hangs_up(),
    "slow in drops": dripping(LONG, finishes("too late")),
    "slow": after(LONG, finishes("too late")),
    "choices null": sends({"id": "x", "choices": None, "error": {"message": "upstream is busy", "code": 502}}),
    "no choices": sends({"id": "x", "choices": []}),
    "null message": sends({"id": "x", "choices": [{"index": 0, "finish_reason": "stop", "message": None}]}),
    "error body": sends({"error": {"message": "upstream is busy", "code": 502}}),
    "empty text": says(""),
    "blank text": says(" \n"),
    "cut JSON": sends('{"id": "x", "choices": [{'),
    "a web page": sends("<html>Bad gateway</html>"),
    "a list": sends("[]"),
    "null": sends("null"),
    "not a number": sends('{"x": NaN}'),
    "brackets without end": sends("[" * 100_000),
    "500 brackets": sends('{"choices": [{"message": {"content": "a", "x": ' + "[" * 500 + "]" * 500 + "}}]}"),
    "429 within 200": sends({"error": {"message": "rate-limited upstream", "code": 429}}),
}


@pytest.mark.parametrize("failed", PASSING.values(), ids=PASSING)
def test_a_call_that_fails_for_a_passing_reason_is_made_again_and_trades_are_not(
    tmp_path: Path, endpoint: OpenAIServer, failed: Answer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 5)), failed, failed, finishes())
    arena = arena_of(tmp_path, endpoint, call_timeout_seconds=0.2)
    (record,) = finished(arena, M, OCT_02)
    assert book_of(record) == (9500, {"AAPL": 5})
    assert [(a.action_id, a.amount) for a in record.actions] == [(1, 5)]
    assert [(c.step, c.attempts) for c in record.calls] == [(1, 1), (2, 3)]
    second, third, fourth = endpoint.requests[1:]
    assert second.body == third.body == fourth.body


REFUSING = {"400": fails(400), "401": fails(401), "403": fails(403), "404": fails(404), "422": fails(422)}


@pytest.mark.parametrize("refused", REFUSING.values(), ids=REFUSING)
def test_a_call_that_the_endpoint_refuses_for_good_is_not_repeated(
    tmp_path: Path, endpoint: OpenAIServer, refused: Answer
) -> None:
    endpoint.script(M, refused, finishes())
    arena = arena_of(tmp_path, endpoint)
    error = failure(arena, M, OCT_02)
    assert isinstance(error, SessionError)
    assert "at the first attempt" in str(error)
    assert len(endpoint.requests) == 1
    assert files_of(arena) == []


def test_without_retries_there_is_one_attempt(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, fails(500), finishes())
    arena = arena_of(tmp_path, endpoint, max_retries=0)
    assert "at the first attempt" in str(failure(arena, M, OCT_02))
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("failed", [fails(503, "we are busy"), sends({"choices": None}), hangs_up()])
def test_when_the_retries_are_spent_the_day_fails_and_leaves_no_trace(
    tmp_path: Path, endpoint: OpenAIServer, failed: Answer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 5)), *[failed] * 3)
    arena = arena_of(tmp_path, endpoint, max_retries=2)
    error = failure(arena, M, OCT_02)
    assert isinstance(error, SessionError)
    assert str(error).startswith(f"{M}: the endpoint did not answer after 3 attempts: ")
    assert len(endpoint.requests) == 4
    assert files_of(arena) == []


def test_an_endpoint_that_nobody_listens_at_fails_the_day_with_a_message(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        entry = {"openai_base_url": f"http://127.0.0.1:{unused.getsockname()[1]}/v1"}
        error = failure(arena_of(tmp_path, endpoint, entry=entry, max_retries=1), M, OCT_02)
    assert str(error) == (
        f"{M}: the endpoint did not answer after 2 attempts: APIConnectionError: 127.0.0.1 cannot be reached: "
        "Connection error."
    )


# --- how long is waited ---


def test_a_stated_wait_is_kept(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, fails(429, Retry_After="0.6"), finishes())
    finished(arena_of(tmp_path, endpoint), M, OCT_02)
    first, second = endpoint.requests
    assert 0.6 <= second.at - first.at < 5


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("header", ["0", "-3", "Wed, 01 Oct 2025 12:00:00 GMT"])
def test_a_stated_wait_that_is_over_is_not_replaced_by_the_backoff(
    tmp_path: Path, endpoint: OpenAIServer, status: int, header: str
) -> None:
    endpoint.script(M, fails(status, Retry_After=header), finishes())
    started = time.monotonic()
    finished(arena_of(tmp_path, endpoint, base_delay=LONG), M, OCT_02)
    assert time.monotonic() - started < LONG / 3


@pytest.mark.parametrize("header", ["soon", "", "nan"])
def test_a_wait_that_cannot_be_read_is_replaced_by_the_backoff(
    tmp_path: Path, endpoint: OpenAIServer, header: str
) -> None:
    endpoint.script(M, fails(429, Retry_After=header), finishes())
    finished(arena_of(tmp_path, endpoint, base_delay=0.2), M, OCT_02)
    first, second = endpoint.requests
    assert 0.2 <= second.at - first.at < 5


def test_the_wait_doubles_with_each_attempt(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, fails(500), fails(500), finishes())
    finished(arena_of(tmp_path, endpoint, base_delay=0.15), M, OCT_02)
    first, second, third = (request.at for request in endpoint.requests)
    assert second - first >= 0.15
    assert third - second >= 0.3


def test_a_wait_that_outlasts_the_session_ends_it_with_what_was_traded(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 5)), fails(429, Retry_After="50"))
    (record,) = finished(arena_of(tmp_path, endpoint, time_limit_seconds=0.5), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("time_budget", (9500, {"AAPL": 5}))


# --- the key ---


def test_a_missing_key_is_named_by_its_variable_and_nothing_is_called(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena_of(tmp_path, endpoint)
    for environ in ({}, {KEY_VARIABLE: ""}):
        error = failure(open_arena(tmp_path, environ), M, OCT_02)
        assert isinstance(error, ConfigError)
        assert f"{M}: the environment variable {KEY_VARIABLE} is not set" in str(error)
    assert endpoint.requests == []


LEAKS = {
    "401": fails(401, f"Incorrect API key provided: {KEY}."),
    "500": fails(500, f"no quota left for {KEY}"),
    "200": sends({"choices": None, "error": {"message": f"key {KEY} is blocked"}}),
    "header": fails(500, "no", X_Key=KEY),
    "page": sends(f"<html>{KEY}</html>"),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_key_that_the_endpoint_repeats_is_in_no_error_and_no_log(
    tmp_path: Path, endpoint: OpenAIServer, leak: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.script(M, *[leak] * 4)
    error = failure(arena_of(tmp_path, endpoint), M, OCT_02)
    told = "".join(traceback.format_exception(error)) + caplog.text
    assert M in str(error)
    assert KEY not in told


def test_a_key_that_the_endpoint_repeats_is_in_no_record(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, LEAKS["500"], LEAKS["200"], LEAKS["page"], finishes())
    arena = arena_of(tmp_path, endpoint)
    (record,) = finished(arena, M, OCT_02)
    assert record.calls[0].attempts == 4
    assert KEY not in arena.records.path(M, day(OCT_02)).read_text(encoding="utf-8")


def test_a_key_that_a_model_says_is_in_no_record_and_does_not_cost_the_day(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says(f"My key is {KEY}.", call("get_price_local", symbol=KEY, date=OCT_02)), finishes())
    arena = arena_of(tmp_path, endpoint)
    (record,) = finished(arena, M, OCT_02)
    assert record.messages[2].content == "My key is [key]."
    assert KEY not in arena.records.path(M, day(OCT_02)).read_text(encoding="utf-8")


def test_a_server_on_this_machine_needs_no_key_unless_one_is_named(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena_of(tmp_path, endpoint, entry={"openai_api_key": None})
    endpoint.script(M, finishes("None of it."), finishes())
    (record,) = finished(open_arena(tmp_path, {}), M, OCT_02)
    assert endpoint.requests[0].authorization == "Bearer none"
    assert record.messages[-1].content == f"None of it. {FINISH}"
    finished(open_arena(tmp_path, {"OPENAI_API_KEY": "a-real-key"}), M, OCT_02, launch="launch-2")
    assert endpoint.requests[1].authorization == "Bearer a-real-key"


# --- a day that fails, and the day after it ---


def test_a_day_that_fails_after_two_buys_starts_again_from_the_day_before(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint, max_retries=0)
    endpoint.script(M, says(FINISH, buy("AAPL", 10)))
    (before,) = finished(arena, M, OCT_02)
    endpoint.script(M, says("", buy("AAPL", 1), buy("MSFT", 1)), fails(500))
    assert isinstance(failure(arena, M, OCT_03), SessionError)
    assert files_of(arena) == [f"date={OCT_02}.json"]
    endpoint.script(M, says(FINISH, buy("MSFT", 2)))
    finished(arena, M, OCT_03, launch="launch-2")
    record = stored(arena, M, OCT_03)
    assert record.start == before.end
    assert book_of(record) == (8610, {"AAPL": 10, "MSFT": 2})
    assert [a.action_id for a in record.actions] == [1]
