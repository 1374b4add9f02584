"""The responses API: what OpenAI's newest models need for tools, here without state at the provider."""

from collections.abc import Mapping, Sequence
from typing import Any

from aitrader_pipeline.trading.record import Message, ToolRequest
from aitrader_pipeline.trading.traders import Reply, ToolSchema, Usage
from aitrader_pipeline.trading.traders.wire import (
    GarbledReplyError,
    JsonObject,
    dict_of,
    dicts_of,
    dollars,
    sendable,
    text_of,
    tokens,
    tool_requests,
)

# Where a message keeps the items of a reasoning model's turn, which go back as they came and in their order.
_OUTPUT = "output"


class Responses:
    """``POST /responses``; nothing is stored there, so reasoning comes encrypted and goes back with each turn."""

    path = "/responses"

    def request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> JsonObject:
        """The body of a request."""
        return {
            "input": [item for message in messages for item in _sent(message)],
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                    # The schemas say what may be left out, which "strict" forbids.
                    "strict": False,
                }
                for tool in tools
            ],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }

    def reply(self, body: Mapping[str, Any], messages: Sequence[Message]) -> Reply:
        """What a response says; one that is incomplete says what it has.

        Raises:
            GarbledReplyError: an error body, no output, or neither text nor tool calls.
        """
        status = body.get("status")
        if body.get("error") or status in ("failed", "cancelled") or not isinstance(body.get("output"), list):
            why = body.get("error") or status or "no output"
            raise GarbledReplyError(f"HTTP 200 without an answer: {why!r:.300}")
        items = dicts_of(body["output"])
        text = "".join(text_of(item.get("content")) for item in items if item.get("type") == "message")
        made = [item for item in items if item.get("type") == "function_call"]
        calls = tool_requests([(i.get("call_id"), i.get("name"), i.get("arguments")) for i in made], messages)
        if not text.strip() and not calls:
            why = dict_of(body.get("incomplete_details")).get("reason") or status
            raise GarbledReplyError(f"HTTP 200 with neither text nor tool calls (status {why!r:.40})")
        return Reply(text, tuple(calls), _usage(dict_of(body.get("usage"))), _kept(items, calls))


def _sent(message: Message) -> list[JsonObject]:
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}]
    kept = message.extra.get(_OUTPUT)
    if kept:
        return dicts_of(kept)
    text = [{"role": message.role, "content": message.content}] if message.content else []
    return [*text, *map(_function_call, message.tool_calls)]


def _function_call(call: ToolRequest) -> JsonObject:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": sendable(call.arguments),
    }


def _kept(items: Sequence[JsonObject], calls: Sequence[ToolRequest]) -> dict[str, Any]:
    """The turn's items as they go back, where they are more than the transcript's text and tool calls.

    Reasoning that is a bare id means nothing to a provider that stores nothing, and it refuses the request.
    """
    in_order = iter(calls)
    kept = [
        _function_call(next(in_order)) if item.get("type") == "function_call" else _without_nulls(item)
        for item in items
        if item.get("type") != "reasoning" or item.get("encrypted_content") or item.get("content")
    ]
    has_more = any(item.get("type") == "reasoning" or item.get("phase") for item in kept)
    return {_OUTPUT: kept} if has_more else {}


def _without_nulls(item: JsonObject) -> JsonObject:
    return {name: value for name, value in item.items() if value is not None}


def _usage(usage: JsonObject) -> Usage:
    return Usage(
        input_tokens=tokens(usage.get("input_tokens")),
        output_tokens=tokens(usage.get("output_tokens")),
        cached_tokens=tokens(dict_of(usage.get("input_tokens_details")).get("cached_tokens")),
        reasoning_tokens=tokens(dict_of(usage.get("output_tokens_details")).get("reasoning_tokens")),
        cost_usd=dollars(usage.get("cost")),
    )
