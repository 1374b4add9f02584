"""A trader behind an OpenAI-compatible endpoint, over chat completions."""

import asyncio
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import openai
import stamina
import stamina.instrumentation
from pydantic import JsonValue

from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.prompt import Briefing
from aitrader_pipeline.trading.record import Message, ToolRequest
from aitrader_pipeline.trading.traders import Conversation, Reply, ToolSchema, Usage

# Retries are counted in the record; stamina's own log would repeat an endpoint's words, which may echo a key.
stamina.instrumentation.set_on_retry_hooks(())

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_LONGEST_WAIT_SECONDS = 60.0
# A reasoning model's thoughts have to go back with the next turn; providers use one of these names.
_KEPT_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")


class GarbledReplyError(Exception):
    """HTTP 200, but no usable answer in it: an error body, no choices, or neither text nor tool calls."""


class SlowReplyError(Exception):
    """The whole answer was not there in time; the client's own timeout begins anew with every byte."""


# ValueError: a body that is cut off or no JSON at all.
_TRANSIENT_ERRORS = (
    openai.APIConnectionError,
    openai.APIResponseValidationError,
    GarbledReplyError,
    SlowReplyError,
    ValueError,
)


class OpenAITrader:
    """A model behind ``/chat/completions``, with retries of the single call."""

    def __init__(
        self,
        *,
        signature: str,
        basemodel: str,
        base_url: str | None,
        api_key_variable: str,
        environ: Mapping[str, str],
        params: Mapping[str, Any],
        max_retries: int,
        base_delay: float,
        call_timeout_seconds: float,
    ) -> None:
        """Connect to an endpoint.

        Args:
            signature: the model's signature, for messages.
            basemodel: the model's name at the endpoint.
            base_url: the endpoint; by default ``OPENAI_API_BASE``, else OpenAI's own.
            api_key_variable: the environment variable that holds the key.
            environ: the environment.
            params: passed on with every call (temperature, seed, ...).
            max_retries: attempts after the first; 0 means one attempt.
            base_delay: seconds before the first retry, doubled with each one.
            call_timeout_seconds: how long one attempt may take.

        Raises:
            ConfigError: the key's variable is not set.
        """
        key = environ.get(api_key_variable, "")
        if not key:
            raise ConfigError(
                f"{signature}: the environment variable {api_key_variable} is not set; "
                "put the endpoint's key into it, or into a .env file"
            )
        self._signature = signature
        self._basemodel = basemodel
        self._key = key
        self._params = dict(params)
        self._attempts = max_retries + 1
        self._base_delay = base_delay
        self._call_timeout_seconds = call_timeout_seconds
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url or environ.get("OPENAI_API_BASE") or None,
            max_retries=0,
            timeout=call_timeout_seconds,
        )

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session; all it needs is in the messages."""
        del briefing
        return self

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        await self._client.close()

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """One model call, repeated while it fails for reasons that pass.

        Raises:
            SessionError: the endpoint refused the call, or the retries are spent.
        """
        attempts = 0
        try:
            async for attempt in stamina.retry_context(
                on=_wait_before_retry,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._base_delay,
                wait_max=_LONGEST_WAIT_SECONDS,
                wait_jitter=self._base_delay / 2,
            ):
                with attempt:
                    attempts += 1
                    return _parsed(await self._completion(messages, tools), attempts)
        except (openai.OpenAIError, GarbledReplyError, SlowReplyError, ValueError) as error:
            raise SessionError(self._failure(error, attempts)) from None
        raise SessionError(f"{self._signature}: no attempt was made")

    async def _completion(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> object:
        try:
            async with asyncio.timeout(self._call_timeout_seconds):
                return await self._client.chat.completions.create(
                    model=self._basemodel,
                    messages=[_wire_message(m) for m in messages],
                    tools=[_wire_tool(t) for t in tools],
                    **self._params,
                )
        except TimeoutError:
            raise SlowReplyError(f"no whole answer within {self._call_timeout_seconds:g} s") from None

    def _failure(self, error: Exception, attempts: int) -> str:
        text = str(error).replace(self._key, "[key]")
        tries = f"after {attempts} attempts" if attempts > 1 else "at the first attempt"
        return f"{self._signature}: the endpoint did not answer {tries}: {type(error).__name__}: {text[:500]}"


def _wait_before_retry(error: Exception) -> bool | float:
    """Whether a failed call is worth repeating; the seconds to wait where the endpoint states them."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in _TRANSIENT_STATUS and error.status_code < 500:
            return False
        return _retry_after(error.response.headers.get("retry-after"))
    return isinstance(error, _TRANSIENT_ERRORS)


def _retry_after(header: str | None) -> bool | float:
    if header is None:
        return True
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - dt.datetime.now(dt.UTC)).total_seconds()
        except (TypeError, ValueError):
            return True
    if not math.isfinite(seconds):
        return True
    return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)


def _wire_message(message: Message) -> Any:  # noqa: ANN401 - openai's unions of TypedDicts say nothing more
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
                },
            }
            for call in message.tool_calls
        ]
    return wire | dict(message.extra)


def _wire_tool(tool: ToolSchema) -> Any:  # noqa: ANN401 - as above
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
    }


def _parsed(completion: Any, attempts: int) -> Reply:  # noqa: ANN401 - gateways send what openai's types exclude
    choices = getattr(completion, "choices", None)
    if not choices or choices[0].message is None:
        detail = getattr(completion, "error", None) or "no choices"
        raise GarbledReplyError(f"HTTP 200 without an answer: {detail!r:.300}")
    message = choices[0].message
    text = _text(message.content)
    calls = tuple(
        ToolRequest(
            id=_storable(call.id or f"call_{i}"),
            name=_storable(call.function.name or ""),
            arguments=_storable(call.function.arguments),
        )
        for i, call in enumerate(message.tool_calls or (), start=1)
        if getattr(call, "function", None) is not None
    )
    if not text.strip() and not calls:
        raise GarbledReplyError("HTTP 200 with neither text nor tool calls")
    kept = {name: _storable(value) for name in _KEPT_FIELDS if (value := getattr(message, name, None)) is not None}
    return Reply(_storable(text), calls, _usage(completion, attempts), kept)


def _text(content: JsonValue) -> str:
    """The text of a message; some gateways send a list of content blocks."""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return content if isinstance(content, str) else ""


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with a question mark for half a surrogate pair, which no record and no request can hold."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _usage(completion: Any, attempts: int) -> Usage:  # noqa: ANN401 - as above
    usage = getattr(completion, "usage", None)
    if usage is None:
        return Usage(attempts=attempts)
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=prompt.cached_tokens if prompt else None,
        reasoning_tokens=output.reasoning_tokens if output else None,
        attempts=attempts,
    )
