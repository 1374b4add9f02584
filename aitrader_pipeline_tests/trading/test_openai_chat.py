"""Chat completions as OpenAI, OpenRouter, DeepSeek, vLLM and Ollama really send them, and what goes back."""

import json
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline_tests.markets import OCT_02, book_of, finished
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Answer,
    Call,
    OpenAIServer,
    buy,
    finishes,
    says,
    sends,
    tokens,
)

ORDER = {"symbol": "AAPL", "amount": 1}


def message(**fields: Any) -> Answer:
    """A completion of a gateway that keeps to no type: the message has just these fields."""
    return sends({"choices": [{"message": fields}]})


# --- tool calls ---


def test_tool_calls_go_back_each_with_its_result_by_id_and_broken_ones_as_empty_objects(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("Two orders.", buy("AAPL", 1), Call("sell", '{"symbol": ')), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    first, second = endpoint.requests
    assert [message["role"] for message in first.messages] == ["system", "user"]
    said, *results = second.messages[2:]
    assert said == {
        "role": "assistant",
        "content": "Two orders.",
        "tool_calls": [
            {
                "id": "call_2_1",
                "type": "function",
                "function": {"name": "buy", "arguments": '{"symbol": "AAPL", "amount": 1}'},
            },
            {"id": "call_2_2", "type": "function", "function": {"name": "sell", "arguments": "{}"}},
        ],
    }
    assert [(m["role"], m["tool_call_id"]) for m in results] == [("tool", "call_2_1"), ("tool", "call_2_2")]
    assert record.messages[2].tool_calls[1].arguments == '{"symbol": '


WRITTEN = {
    "a string": json.dumps(ORDER),
    "an object": ORDER,
    "a string in a string": json.dumps(json.dumps(ORDER)),
}


@pytest.mark.parametrize("arguments", WRITTEN.values(), ids=WRITTEN)
def test_arguments_are_understood_however_they_are_written_and_go_back_as_a_string(
    tmp_path: Path, endpoint: OpenAIServer, arguments: object
) -> None:
    call = {"id": "abc", "type": "function", "function": {"name": "buy", "arguments": arguments}}
    endpoint.script(M, message(content=None, tool_calls=[call]), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9900, {"AAPL": 1})
    (sent,) = endpoint.requests[1].messages[2]["tool_calls"]
    assert (sent["id"], json.loads(sent["function"]["arguments"])) == ("abc", ORDER)


def test_gaps_in_a_gateway_s_answer_are_filled(tmp_path: Path, endpoint: OpenAIServer) -> None:
    order = {"function": {"name": "buy", "arguments": ORDER}}
    gappy = {
        "choices": [{"message": {"content": None, "tool_calls": [order, order]}}],
        "usage": {"total_tokens": 9},
    }
    endpoint.script(M, sends(gappy), sends(gappy), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9600, {"AAPL": 4})
    assert (record.calls[0].input_tokens, record.calls[0].output_tokens) == (None, None)
    answered = [m.get("tool_call_id") for m in endpoint.requests[2].messages if m["role"] == "tool"]
    assert answered == [f"call0000{number}" for number in range(1, 5)]


@pytest.mark.parametrize(
    "nonsense",
    [[{"id": "a"}], [{"id": "a", "function": None}], [None, 3, "buy"], "buy"],
    ids=repr,
)
def test_tool_calls_that_call_nothing_are_none(tmp_path: Path, endpoint: OpenAIServer, nonsense: object) -> None:
    endpoint.script(M, message(content=f"Holding. {FINISH}", tool_calls=nonsense))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.end_reason, record.messages[-1].tool_calls) == ("finished", ())


def test_a_call_without_a_name_is_answered_and_the_day_goes_on(tmp_path: Path, endpoint: OpenAIServer) -> None:
    call = {"id": "abc", "type": "function", "function": {"name": None, "arguments": "{}"}}
    endpoint.script(M, message(content="", tool_calls=[call]), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert [m.is_error for m in record.messages if m.role == "tool"] == [True]
    assert record.end_reason == "finished"


# --- content ---


@pytest.mark.parametrize(
    "thoughts",
    [
        {"reasoning_content": "Apple looks cheap."},
        {"reasoning": "Apple looks cheap."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Apple looks cheap.", "signature": "c2ln"}]},
    ],
    ids=lambda thoughts: next(iter(thoughts)),
)
def test_a_reasoning_model_s_thoughts_go_back_with_the_next_turn(
    tmp_path: Path, endpoint: OpenAIServer, thoughts: dict[str, Any]
) -> None:
    endpoint.script(M, says("", buy("AAPL", 1), extra=thoughts), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    sent = endpoint.requests[1].messages[2]
    assert {name: value for name, value in sent.items() if name in thoughts} == thoughts
    assert record.messages[2].extra == thoughts


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "text", "text": "I hold. "}, {"type": "image"}, {"type": "text", "text": FINISH}],
        ["I hold. ", FINISH],
        [{"type": "text", "text": None}, None, {"type": "text", "text": f"I hold. {FINISH}"}],
    ],
    ids=["blocks", "strings", "gaps"],
)
def test_an_answer_in_content_blocks_is_joined_to_its_text(
    tmp_path: Path, endpoint: OpenAIServer, blocks: list[Any]
) -> None:
    endpoint.script(M, message(role="assistant", content=blocks))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.messages[-1].content, record.end_reason) == (f"I hold. {FINISH}", "finished")
    assert record.calls[0].attempts == 1


BROKEN_OFF = {
    "finish_reason error": {"finish_reason": "error", "message": {"content": f"I thi {FINISH}"}},
    "an error in the choice": {
        "error": {"code": 502, "message": "gone"},
        "message": {"content": FINISH},
    },
    "null content and no calls": {"finish_reason": "stop", "message": {"content": None, "tool_calls": []}},
    "only thoughts": {"finish_reason": "length", "message": {"content": "", "reasoning_content": "Hm, so"}},
}


@pytest.mark.parametrize("choice", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_an_answer_that_broke_off_is_asked_for_again(
    tmp_path: Path, endpoint: OpenAIServer, choice: dict[str, Any]
) -> None:
    endpoint.script(M, sends({"choices": [choice]}), finishes("Whole."))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.messages[-1].content, record.calls[0].attempts) == (f"Whole. {FINISH}", 2)


# --- usage ---


def test_tokens_of_each_call_are_recorded_as_reported_and_unknown_where_they_are_not(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    endpoint.script(
        M,
        says("", buy("AAPL", 1), usage=tokens(100, 20, **details)),
        says("", buy("AAPL", 1), usage=tokens(150, 30)),
        finishes(),
    )
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    spent = [
        (c.step, c.input_tokens, c.output_tokens, c.cached_tokens, c.reasoning_tokens, c.attempts)
        for c in record.calls
    ]
    assert spent == [(1, 100, 20, 64, 12, 1), (2, 150, 30, None, None, 1), (3, None, None, None, None, 1)]
    assert all(c.latency_seconds > 0 for c in record.calls)


def test_deepseek_s_name_for_cached_tokens_is_known(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, finishes(usage=tokens(100, 20, prompt_cache_hit_tokens=80, prompt_tokens_details=None)))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert record.calls[0].cached_tokens == 80


@pytest.mark.parametrize(
    "usage",
    ["many", 3, [], {"prompt_tokens": "12", "completion_tokens": -1}, {"prompt_tokens": 1.5, "cost": True}],
    ids=repr,
)
def test_usage_that_makes_no_sense_is_unknown(tmp_path: Path, endpoint: OpenAIServer, usage: object) -> None:
    endpoint.script(M, sends({"choices": [{"message": {"content": FINISH}}], "usage": usage}))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    call = record.calls[0]
    assert (call.input_tokens, call.output_tokens) == (None, None)
