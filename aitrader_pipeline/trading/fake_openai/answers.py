"""What the endpoint answers, good or bad, on either API; good answers are checked against openai's own types."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from aitrader_pipeline.trading.fake_openai.received import Body, Received
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL

_CREATED = 1_700_000_000


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` that are text go out as they are; without an id of its own it is given one."""

    name: str
    arguments: Mapping[str, Any] | str
    id: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the endpoint does with one request: `compose` makes the body of the HTTP response from it."""

    compose: Callable[[Received], Body | str]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    drip: bool = False


@dataclass(frozen=True)
class _Turn:
    text: str
    calls: Sequence[Call]
    usage: Mapping[str, Any] | None
    extra: Mapping[str, Any]
    ahead: Sequence[Mapping[str, Any]]
    truncated: bool
    refused: bool

    def compose(self, received: Received) -> Body:
        number = len(received.messages)
        made = [(call.id or f"call_{number}_{i}", call) for i, call in enumerate(self.calls, start=1)]
        if received.api == "chat":
            body = self._completion(received, number, made)
            ChatCompletion.model_validate(body, strict=True)
        else:
            body = self._response(received, number, made)
            Response.model_validate(body, strict=True)
        return body

    def _completion(self, received: Received, number: int, made: Sequence[tuple[str, Call]]) -> Body:
        said = {"content": None, "refusal": self.text} if self.refused else {"content": self.text or None}
        message: Body = {"role": "assistant", **said, **self.extra}
        if made:
            message["tool_calls"] = [
                {"id": id_, "type": "function", "function": {"name": call.name, "arguments": _text(call)}}
                for id_, call in made
            ]
        reason = "length" if self.truncated else "tool_calls" if made else "stop"
        body: Body = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": _CREATED,
            "model": received.model,
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        }
        return body if self.usage is None else {**body, "usage": dict(self.usage)}

    def _response(self, received: Received, number: int, made: Sequence[tuple[str, Call]]) -> Body:
        status = "incomplete" if self.truncated else "completed"
        part = {"type": "refusal", "refusal": self.text} if self.refused else _output_text(self.text)
        message = {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": status,
            "content": [part],
        }
        calls = [
            {
                "type": "function_call",
                "id": f"fc_{number}_{i}",
                "call_id": id_,
                "name": call.name,
                "arguments": _text(call),
                "status": status,
            }
            for i, (id_, call) in enumerate(made, start=1)
        ]
        body: Body = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": float(_CREATED),
            "model": received.model,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if self.truncated else None,
            "output": [*map(dict, self.ahead), *([message] if self.text else []), *calls],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        return body if self.usage is None else {**body, "usage": _usage_of_response(self.usage)}


def says(
    text: str = "",
    *calls: Call,
    usage: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    ahead: Sequence[Mapping[str, Any]] = (),
    truncated: bool = False,
    refused: bool = False,
) -> Answer:
    """A model's turn.

    Args:
        text: what it says.
        calls: its tool calls.
        usage: tokens, as chat completions report them.
        extra: further fields of a completion's message.
        ahead: items of a response's output that come before the message, such as reasoning.
        truncated: the turn ends because it became too long.
        refused: the text is a refusal.
    """
    return Answer(_Turn(text, calls, usage, extra or {}, ahead, truncated, refused).compose)


def tokens(given: int, made: int, **details: Any) -> Body:  # noqa: ANN401 - any field of a usage object
    """A usage object as chat completions have it."""
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}


def finishes(text: str = "Done.", usage: Mapping[str, Any] | None = None) -> Answer:
    """A closing answer that ends with the signal."""
    return says(f"{text} {FINISH_SIGNAL}", usage=usage)


def sends(body: Body | str) -> Answer:
    """HTTP 200 with whatever body, as some gateways send it."""
    return Answer(lambda _: body)


def fails(status: int, message: str = "not now", **headers: str) -> Answer:
    """An HTTP error in OpenAI's form."""
    error = {"error": {"message": message, "type": "error", "param": None, "code": None}}
    return Answer(lambda _: error, status, {name.replace("_", "-"): value for name, value in headers.items()})


def hangs_up() -> Answer:
    """The connection is cut in the middle of the response."""
    return Answer(lambda _: "", cut=True)


def after(seconds: float, answer: Answer) -> Answer:
    """The same answer, later."""
    return replace(answer, delay=seconds)


def dripping(seconds: float, answer: Answer) -> Answer:
    """The same answer after white space that keeps the connection busy for so long."""
    return replace(answer, delay=seconds, drip=True)


def _text(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))


def _output_text(text: str) -> Body:
    return {"type": "output_text", "text": text, "annotations": []}


def _usage_of_response(usage: Mapping[str, Any]) -> Body:
    given, made = usage.get("prompt_tokens_details", {}), usage.get("completion_tokens_details", {})
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": given.get("cached_tokens", 0), "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": made.get("reasoning_tokens", 0)},
        "total_tokens": usage["total_tokens"],
    }
