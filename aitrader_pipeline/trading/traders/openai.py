"""A trader behind an OpenAI-compatible endpoint, over chat completions or the responses API."""

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import openai
import pydantic_core
import stamina
import stamina.instrumentation

from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.prompt import Briefing
from aitrader_pipeline.trading.record import Message
from aitrader_pipeline.trading.traders import UNLIMITED, Allowance, Conversation, Reply, ToolSchema, Usage
from aitrader_pipeline.trading.traders.chat import ChatCompletions
from aitrader_pipeline.trading.traders.endpoint_gate import EndpointGate
from aitrader_pipeline.trading.traders.responses import Responses
from aitrader_pipeline.trading.traders.retries import (
    CALL_ERRORS,
    LONGEST_WAIT_SECONDS,
    SlowReplyError,
    wait_before_retry,
)
from aitrader_pipeline.trading.traders.wire import GarbledReplyError, JsonObject, WireForm

# Retries are counted in the record; stamina's own log would repeat an endpoint's words, which may echo a key.
stamina.instrumentation.set_on_retry_hooks(())
# So would the connections' own, in a response's headers, for everybody who turns debugging on.
logging.getLogger("httpcore2").setLevel(logging.INFO)

_WIRE_FORMS: Mapping[str, type[WireForm]] = {"chat": ChatCompletions, "responses": Responses}
# What the session itself says in a request.
_NOT_PARAMS = frozenset({"model", "messages", "input", "tools", "stream"})
# Servers without keys are given words such as "EMPTY", which a model may well use.
_SHORTEST_SECRET = 8
_NO_KEY = "none"
_OPENAI_HOSTS = ("api.openai.com", ".azure.com")
_DEPTH_IN_RECORD = 8


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted, read once: that takes longer than a session's own work."""
    return httpx2.create_ssl_context()


class OpenAITrader:
    """A model behind an endpoint, with retries of the single call."""

    def __init__(
        self,
        *,
        signature: str,
        basemodel: str,
        base_url: str | None,
        api: Literal["chat", "responses"],
        api_key_variable: str,
        needs_key: bool,
        environ: Mapping[str, str],
        params: Mapping[str, Any],
        max_retries: int,
        base_delay: float,
        call_timeout_seconds: float,
        gate: EndpointGate,
    ) -> None:
        """Connect to an endpoint.

        Args:
            signature: the model's signature, for messages.
            basemodel: the model's name at the endpoint.
            base_url: the endpoint; by default ``OPENAI_API_BASE``, else OpenAI's own.
            api: which of its interfaces to speak.
            api_key_variable: the environment variable that holds the key.
            needs_key: whether the variable has to be set.
            environ: the environment.
            params: sent with every call as they are (temperature, seed, ...).
            max_retries: attempts after the first; 0 means one attempt.
            base_delay: seconds before the first retry, doubled with each one.
            call_timeout_seconds: how long one attempt may take, once it is its turn.
            gate: lets calls through to the endpoint.

        Raises:
            ConfigError: the key's variable is not set, or a parameter is the session's own.
        """
        key = environ.get(api_key_variable, "")
        if needs_key and not key:
            raise ConfigError(
                f"{signature}: the environment variable {api_key_variable} is not set; "
                "put the endpoint's key into it, or into a .env file"
            )
        own = sorted(_NOT_PARAMS & params.keys())
        if own:
            raise ConfigError(f"{signature}: params must not hold {', '.join(own)}: the session sets that itself")
        self._signature = signature
        self._wire = _WIRE_FORMS[api]()
        self._settings = {"model": basemodel, **params}
        self._output_limit = _output_limit(api, base_url or environ.get("OPENAI_API_BASE"))
        self._key = key
        self._attempts = max_retries + 1
        self._base_delay = base_delay
        self._call_timeout_seconds = call_timeout_seconds
        self._gate = gate
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=base_url or environ.get("OPENAI_API_BASE") or None,
            max_retries=0,
            timeout=call_timeout_seconds,
            http_client=openai.DefaultAsyncHttpxClient(verify=_trust(), timeout=call_timeout_seconds),
        )

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session; all it needs is in the messages."""
        del briefing
        return self

    async def close(self) -> None:
        """Close the connections to the endpoint."""
        await self._client.close()

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """One model call, whatever it costs.

        Raises:
            SessionError: the endpoint refused the call, or the retries are spent.
        """
        return await self.reply_within(messages, tools, UNLIMITED)

    async def reply_within(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], allowance: Allowance
    ) -> Reply:
        """One model call, repeated while it fails for reasons that pass and there is money for it.

        Raises:
            SessionError: the endpoint refused the call, or the retries are spent.
        """
        request = self._wire.request(messages, tools) | self._settings
        if allowance.max_output_tokens is not None:
            request[self._output_limit] = allowance.max_output_tokens
        attempts = 0
        try:
            async for attempt in stamina.retry_context(
                on=wait_before_retry,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._base_delay,
                wait_max=LONGEST_WAIT_SECONDS,
                wait_jitter=self._base_delay / 2,
            ):
                with attempt:
                    attempts += 1
                    if attempts > 1:
                        await allowance.retry()
                    body = await self._call(request, allowance)
                    reply = self._wire.reply(body, messages)
                    return replace(reply, usage=replace(reply.usage or Usage(), attempts=attempts))
        except CALL_ERRORS as error:
            raise SessionError(self._failure(error, attempts)) from None
        raise SessionError(f"{self._signature}: no attempt was made")

    async def _call(self, request: JsonObject, allowance: Allowance) -> JsonObject:
        try:
            async with self._gate.call(), asyncio.timeout(self._call_timeout_seconds):
                response = await self._client.post(self._wire.path, cast_to=httpx2.Response, body=request)
        except openai.APIStatusError:
            allowance.unbilled()
            raise
        except TimeoutError:
            raise SlowReplyError(f"no whole answer within {self._call_timeout_seconds:g} s") from None
        return self._body(response)

    def _body(self, response: httpx2.Response) -> JsonObject:
        """The JSON object of a response: without the key, and such that a record can hold it.

        Half a surrogate pair becomes a question mark; depth and numbers that JSON does not have are errors.
        """
        text = json.dumps(json.loads(response.content), ensure_ascii=False, allow_nan=False)
        if len(self._key) >= _SHORTEST_SECRET:
            text = text.replace(json.dumps(self._key, ensure_ascii=False)[1:-1], "[key]")
        kept = text.encode("utf-8", "replace")
        # The reader of records is strict about depth, and a record holds it a little deeper.
        pydantic_core.from_json(b"[" * _DEPTH_IN_RECORD + kept + b"]" * _DEPTH_IN_RECORD)
        body = json.loads(kept)
        if not isinstance(body, dict):
            raise GarbledReplyError("HTTP 200 with JSON that is no object")
        return body

    def _failure(self, error: Exception, attempts: int) -> str:
        text = str(error).replace(self._key, "[key]") if self._key else str(error)
        if isinstance(error, openai.APIConnectionError):
            text = f"{self._client.base_url.host} cannot be reached: {text}"
        tries = f"after {attempts} attempts" if attempts > 1 else "at the first attempt"
        return f"{self._signature}: the endpoint did not answer {tries}: {type(error).__name__}: {text[:500]}"


def _output_limit(api: str, endpoint: str | None) -> str:
    """What the limit of an answer's tokens is called: OpenAI gave it a new name, which not all others know."""
    if api == "responses":
        return "max_output_tokens"
    host = urlsplit(endpoint).hostname or "" if endpoint else _OPENAI_HOSTS[0]
    return "max_completion_tokens" if host.endswith(_OPENAI_HOSTS) else "max_tokens"
