"""The responses API on the wire: items in and out, and reasoning that goes back as it came."""

from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline_tests.markets import OCT_02, book_of, finished
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Call,
    OpenAIServer,
    buy,
    finishes,
    says,
    sends,
    tokens,
)


@pytest.fixture
def endpoint(endpoint: OpenAIServer) -> OpenAIServer:
    endpoint.api = "responses"
    return endpoint


def thought(number: int, encrypted: str | None = "gAAAAAB") -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": encrypted}


def items(endpoint: OpenAIServer, request: int) -> list[dict[str, Any]]:
    """What a request has beyond the two opening messages."""
    return list(endpoint.requests[request].body["input"][2:])


def test_a_turn_without_reasoning_goes_back_as_plain_items(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("Two orders.", buy("AAPL", 1), Call("sell", '{"symbol": ')), finishes())
    finished(arena_of(tmp_path, endpoint), M, OCT_02)
    said, bought, broken, *results = items(endpoint, 1)
    assert said == {"role": "assistant", "content": "Two orders."}
    assert bought == {
        "type": "function_call",
        "call_id": "call_2_1",
        "name": "buy",
        "arguments": '{"symbol": "AAPL", "amount": 1}',
    }
    assert (broken["call_id"], broken["arguments"]) == ("call_2_2", "{}")
    assert [(r["type"], r["call_id"]) for r in results] == [
        ("function_call_output", "call_2_1"),
        ("function_call_output", "call_2_2"),
    ]


def test_nothing_is_stored_at_the_provider_and_tools_are_offered_in_its_form(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    entry = {"params": {"reasoning": {"effort": "low"}, "temperature": 0.5}}
    endpoint.script(M, finishes())
    finished(arena_of(tmp_path, endpoint, entry=entry), M, OCT_02)
    body = endpoint.requests[0].body
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert (body["reasoning"], body["temperature"]) == ({"effort": "low"}, 0.5)
    assert {tool["type"] for tool in body["tools"]} == {"function"}
    assert [item["role"] for item in body["input"]] == ["system", "user"]


def test_the_config_may_have_the_provider_store_the_responses(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, finishes())
    finished(arena_of(tmp_path, endpoint, entry={"params": {"store": True, "include": []}}), M, OCT_02)
    assert (endpoint.requests[0].body["store"], endpoint.requests[0].body["include"]) == (True, [])


def test_encrypted_reasoning_goes_back_ahead_of_what_it_led_to(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(
        M, says("First one.", buy("AAPL", 1), ahead=[thought(1)]), says("", buy("AAPL", 2)), finishes()
    )
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    kinds = [item["type"] for item in items(endpoint, 1)]
    assert kinds == ["reasoning", "message", "function_call", "function_call_output"]
    assert items(endpoint, 1)[0] == thought(1)
    assert items(endpoint, 2)[:4] == items(endpoint, 1)
    assert record.messages[2].extra["output"] == items(endpoint, 1)[:3]
    assert book_of(record) == (9700, {"AAPL": 3})


def test_a_reused_call_id_is_made_unique_beside_reasoning_too(tmp_path: Path, endpoint: OpenAIServer) -> None:
    order = Call("buy", {"symbol": "AAPL", "amount": 1}, id="call_0")
    endpoint.script(M, *[says("", order, order, ahead=[thought(n)]) for n in (1, 2)], finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    made = [item["call_id"] for item in items(endpoint, 2) if item["type"] == "function_call"]
    answered = [item["call_id"] for item in items(endpoint, 2) if item["type"] == "function_call_output"]
    assert made == answered == ["call_0", "call00001", "call00002", "call00003"]
    assert book_of(record) == (9600, {"AAPL": 4})


def test_reasoning_that_is_a_bare_id_is_not_sent_back(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("", buy("AAPL", 1), ahead=[thought(1, None)]), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert [item["type"] for item in items(endpoint, 1)] == ["function_call", "function_call_output"]
    assert record.messages[2].extra == {}


def test_reasoning_in_plain_text_goes_back_as_local_servers_send_it(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    plain = {**thought(1, None), "content": [{"type": "reasoning_text", "text": "Apple looks cheap."}]}
    endpoint.script(M, says("", buy("AAPL", 1), ahead=[plain]), finishes())
    finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert items(endpoint, 1)[0]["content"] == plain["content"]


def test_the_phase_of_a_message_goes_back(tmp_path: Path, endpoint: OpenAIServer) -> None:
    spoken = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
    }
    endpoint.script(M, says("", buy("AAPL", 1), ahead=[spoken]), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert items(endpoint, 1)[0] == spoken
    assert record.messages[2].content == "Let me see."


FAILED: dict[str, dict[str, Any]] = {
    "failed": {"status": "failed", "output": [], "error": {"code": "server_error", "message": "no"}},
    "cancelled": {"status": "cancelled", "output": []},
    "output null": {"status": "completed", "output": None},
    "no output": {"status": "completed", "output": []},
    "nothing but thoughts": {
        "status": "incomplete",
        "output": [thought(1)],
        "incomplete_details": {"reason": "max_output_tokens"},
    },
    "an empty message": {"output": [{"type": "message", "role": "assistant", "content": None}]},
}


@pytest.mark.parametrize("body", FAILED.values(), ids=FAILED)
def test_a_response_without_an_answer_is_asked_for_again(
    tmp_path: Path, endpoint: OpenAIServer, body: dict[str, Any]
) -> None:
    endpoint.script(M, sends(body), finishes("Whole."))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.messages[-1].content, record.calls[0].attempts) == (f"Whole. {FINISH}", 2)


def test_gaps_in_a_response_are_filled(tmp_path: Path, endpoint: OpenAIServer) -> None:
    order = {"type": "function_call", "name": "buy", "arguments": {"symbol": "AAPL", "amount": 1}}
    gappy = {
        "output": [order, None, {"type": "message", "content": "Both."}, {}, order],
        "usage": {"input_tokens": 7},
    }
    endpoint.script(M, sends(gappy), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9800, {"AAPL": 2})
    assert (record.messages[2].content, record.calls[0].input_tokens) == ("Both.", 7)


def test_tokens_are_recorded_under_the_transcript_s_own_names(tmp_path: Path, endpoint: OpenAIServer) -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    endpoint.script(M, says("", buy("AAPL", 1), usage=tokens(100, 20, **details)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    spent = [(c.input_tokens, c.output_tokens, c.cached_tokens, c.reasoning_tokens) for c in record.calls]
    assert spent == [(100, 20, 64, 12), (None, None, None, None)]
