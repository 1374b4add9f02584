"""A request as the endpoint received it, in one form whichever API it came over; and what real servers refuse."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Body = dict[str, Any]
Api = Literal["chat", "responses"]

_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Received:
    """A request: its JSON, its credentials, its API, and the monotonic time in seconds."""

    body: Body
    authorization: str
    at: float
    api: Api = "chat"

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.body["model"])

    @cached_property
    def messages(self) -> list[Body]:
        """The conversation so far, as chat completions have it."""
        if self.api == "chat":
            return list(self.body["messages"])
        said = self.body["input"]
        return [{"role": "user", "content": said}] if isinstance(said, str) else _messages_of(said)

    @property
    def prompt(self) -> str:
        """What the conversation begins with."""
        return str(self.messages[0]["content"]) if self.messages else ""

    @property
    def tools(self) -> dict[str, Body]:
        """The tools that the model may call: by name, the schema of their arguments."""
        offered = [tool["function"] if self.api == "chat" else tool for tool in self.body.get("tools", [])]
        return {tool["name"]: tool["parameters"] for tool in offered}

    @property
    def date(self) -> str:
        """The session's date as the system prompt states it."""
        return self.prompt.partition("Today is ")[2][: len("YYYY-MM-DD")]

    def results(self) -> list[Any]:
        """What the tools have answered so far, decoded."""
        return [json.loads(m["content"]) for m in self.messages if m["role"] == "tool"]

    def complaint(self) -> str | None:
        """What some server or other answers such a conversation with HTTP 400 for; None if none does."""
        return _bad_calls(self.messages) or _unanswered_calls(self.messages)


def _messages_of(items: Iterable[Body]) -> list[Body]:
    messages: list[Body] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
        elif kind == "message" and item["role"] != "assistant":
            messages.append({"role": item["role"], "content": item["content"]})
        else:
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            _add(messages[-1], kind, item)
    return messages


def _add(turn: Body, kind: str, item: Body) -> None:
    """Add an item to the assistant's turn that it is a part of."""
    if kind == "message":
        content = item["content"]
        turn["content"] += content if isinstance(content, str) else "".join(part["text"] for part in content)
    elif kind == "function_call":
        function = {"name": item["name"], "arguments": item["arguments"]}
        turn.setdefault("tool_calls", []).append({"id": item["call_id"], "type": "function", "function": function})
    else:
        turn.setdefault(kind, []).append(item)


def _bad_calls(messages: Iterable[Mapping[str, Any]]) -> str | None:
    seen: set[str] = set()
    for message in messages:
        for made in message.get("tool_calls", []):
            if made["id"] in seen:
                return f"two tool calls have the id {made['id']}"
            seen.add(made["id"])
            if not _FUNCTION_NAME.fullmatch(made["function"]["name"]):
                return f"no function can be named {made['function']['name']!r}"
            if not _is_object(made["function"]["arguments"]):
                return f"the arguments of {made['id']} are not the text of a JSON object"
        for thought in message.get("reasoning", []) if isinstance(message.get("reasoning"), list) else []:
            if not thought.get("encrypted_content") and not thought.get("content"):
                return f"Item with id '{thought.get('id')}' not found. Items are not persisted"
    return None


def _is_object(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


def _unanswered_calls(messages: Iterable[Mapping[str, Any]]) -> str | None:
    """A tool message without its call, or a call without its tool message."""
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                return f"a tool message answers no call: {message.get('tool_call_id')}"
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            break
        else:
            open_calls = [made["id"] for made in message.get("tool_calls", [])]
    return f"tool calls without an answer: {', '.join(open_calls)}" if open_calls else None
