"""What OpenAI's two interfaces have in common.

A wire form turns a transcript into a request, and a body into a reply. A body is what some server sent with
HTTP 200: any JSON object, so every field of it is looked at before it is used.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

from pydantic import JsonValue

from aitrader_pipeline.trading.record import Message, ToolRequest
from aitrader_pipeline.trading.tool_arguments import ToolArgumentsError, decoded
from aitrader_pipeline.trading.traders import Reply, ToolSchema

JsonObject = dict[str, Any]


class GarbledReplyError(Exception):
    """HTTP 200, but no usable answer in it: an error body, nothing at all, or neither text nor tool calls."""


class WireForm(Protocol):
    """One of the interfaces."""

    @property
    def path(self) -> str:
        """Where it is, below the endpoint's address."""
        ...

    def request(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> JsonObject:
        """The body of a request, but for the model's name and the config's parameters."""
        ...

    def reply(self, body: Mapping[str, Any], messages: Sequence[Message]) -> Reply:
        """What a response says; ``messages`` are those that it answers.

        Raises:
            GarbledReplyError: it says nothing that can be used.
        """
        ...


def tool_requests(calls: Iterable[tuple[object, object, Any]], messages: Sequence[Message]) -> list[ToolRequest]:
    """Tool calls as the transcript keeps them.

    Args:
        calls: id, name and arguments of each, as sent.
        messages: the transcript so far; an id that is missing or used in it is replaced by one of its own, in
            the form that the strictest servers (nine letters and digits) take back.
    """
    taken = {call.id for message in messages for call in message.tool_calls}
    requests = []
    for given, name, arguments in calls:
        fresh = (made for number in count(1) if (made := f"call{number:05}") not in taken)
        own = given if isinstance(given, str) and given and given not in taken else next(fresh)
        taken.add(own)
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        requests.append(ToolRequest(id=own, name=str(name or "unnamed"), arguments=text))
    return requests


def sendable(arguments: JsonValue) -> str:
    """Arguments as they go back: servers refuse a whole conversation for one call that is no JSON object.

    The model learns from the tool's answer what was wrong with what it wrote.
    """
    try:
        return json.dumps(decoded(arguments), ensure_ascii=False)
    except ToolArgumentsError:
        return "{}"


def text_of(content: object) -> str:
    """The text of a message's content: itself, or that of its blocks; a refusal is text too."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "".join(_text_of_block(block) for block in blocks)


def _text_of_block(block: object) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return ""
    text = block.get("text") or block.get("refusal")
    return text if isinstance(text, str) else ""


def dicts_of(value: object) -> list[JsonObject]:
    """The objects of a list, whatever else is in it or it is."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dict_of(value: object) -> JsonObject:
    """The object, or an empty one where something else was sent."""
    return value if isinstance(value, dict) else {}


def tokens(value: object) -> int | None:
    """A number of tokens, None where it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        return None
    return int(value)


def dollars(value: object) -> float | None:
    """What a provider says that a call has cost, None where it does not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)
