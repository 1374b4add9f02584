"""Chat completions: what nearly every server of models speaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from aitrader_pipeline.trading.record import Message
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

# A reasoning model's thoughts have to go back with the next turn; providers use one of these names.
_KEPT_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")


class ChatCompletions:
    """``POST /chat/completions``."""

    path = "/chat/completions"

    def request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> JsonObject:
        """The body of a request."""
        return {"messages": [_sent(message) for message in messages], "tools": [_tool(tool) for tool in tools]}

    def reply(self, body: Mapping[str, Any], messages: Sequence[Message]) -> Reply:
        """What a completion says.

        Raises:
            GarbledReplyError: an error body, no choices, or neither text nor tool calls.
        """
        choice = next(iter(dicts_of(body.get("choices"))), None)
        if choice is None or not isinstance(choice.get("message"), dict):
            raise GarbledReplyError(f"HTTP 200 without an answer: {body.get('error') or 'no choices'!r:.300}")
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise GarbledReplyError(f"the answer broke off: {choice.get('error') or reason!r:.300}")
        message: JsonObject = choice["message"]
        text = text_of(message.get("content")) or text_of(message.get("refusal"))
        functions = [(call.get("id"), call.get("function")) for call in dicts_of(message.get("tool_calls"))]
        calls = tool_requests(
            [(id_, f.get("name"), f.get("arguments")) for id_, f in functions if isinstance(f, dict)], messages
        )
        if not text.strip() and not calls:
            raise GarbledReplyError(f"HTTP 200 with neither text nor tool calls (finish_reason {reason!r:.40})")
        kept = {name: message[name] for name in _KEPT_FIELDS if message.get(name) is not None}
        return Reply(text, tuple(calls), _usage(dict_of(body.get("usage"))), kept)


def _sent(message: Message) -> JsonObject:
    sent: JsonObject = {"role": message.role, "content": message.content}
    if message.role == "tool":
        sent["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        sent["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": sendable(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return sent | dict(message.extra)


def _tool(tool: ToolSchema) -> JsonObject:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _usage(usage: JsonObject) -> Usage:
    cached = dict_of(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(
        input_tokens=tokens(usage.get("prompt_tokens")),
        output_tokens=tokens(usage.get("completion_tokens")),
        # DeepSeek has a field of its own.
        cached_tokens=tokens(usage.get("prompt_cache_hit_tokens") if cached is None else cached),
        reasoning_tokens=tokens(dict_of(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        cost_usd=dollars(usage.get("cost")),
    )
