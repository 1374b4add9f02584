"""A vendor's JSON API over HTTP: what passes is retried, and the key stays out of all that is said and kept."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import httpx2
import stamina

from aitrader_pipeline.retry_after import retry_after_seconds

T = TypeVar("T")

_ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 10.0
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_KEY_IN_ADDRESS = re.compile(r"(apikey=)[^&\s\"']+", re.IGNORECASE)
_SAID_IN = ("readableMessage", "message", "detail", "error")
_SHOWN = 300


def _without_key(record: logging.LogRecord) -> bool:
    """The HTTP client logs whole addresses, and one vendor takes its key there."""
    record.msg, record.args = _KEY_IN_ADDRESS.sub(r"\1[key]", record.getMessage()), ()
    return True


logging.getLogger("httpx2").addFilter(_without_key)


class VendorCallError(Exception):
    """The vendor does not answer, or refuses.

    Attributes:
        status: the HTTP status, None without an answer.
        passes: whether another attempt may succeed.
        wait: seconds that the vendor asks to wait, if it does.
    """

    def __init__(
        self, message: str, *, status: int | None = None, passes: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.passes = passes
        self.wait = wait


@dataclass(frozen=True)
class Reply:
    """What a vendor answered: its status, its text without the key, and what that is as JSON, None for no JSON."""

    vendor: str
    status: int
    text: str
    wait: float | None
    parsed: Any

    @property
    def ok(self) -> bool:
        """Whether the status says that this is an answer."""
        return 200 <= self.status < 300

    def said(self, *names: str) -> str:
        """What a refusal says: the first of these fields that holds a text; the usual ones by default."""
        if isinstance(self.parsed, dict):
            said = (self.parsed.get(name) for name in names or _SAID_IN)
            return next((words for words in said if isinstance(words, str) and words), "")[:_SHOWN]
        return ""

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """The answer.

        Raises:
            VendorCallError: the status says that it is none, or it is no JSON.
        """
        if not self.ok:
            raise VendorCallError(
                f"{self.vendor} answered HTTP {self.status}: {self.said() or 'no reason given'}",
                status=self.status,
                passes=self.status in _TRANSIENT_STATUS or self.status >= 500,
                wait=self.wait,
            )
        if self.parsed is None:
            raise VendorCallError(f"{self.vendor} answered what is no JSON", passes=True, wait=self.wait)
        return self.parsed

    def object(self) -> Mapping[str, Any]:
        """The answer, which has to be an object.

        Raises:
            VendorCallError: it is none.
        """
        value = self.value()
        if not isinstance(value, dict):
            raise VendorCallError(f"{self.vendor} answered what is no JSON object", passes=True, wait=self.wait)
        return value


class Response(Protocol):
    """What every HTTP client answers with."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Any:  # noqa: ANN401 - each client has a mapping of its own
        """The headers, found in any case of their names."""
        ...

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        ...


Send = Callable[..., Awaitable[Response]]


async def _at_once() -> None:
    """No turn to wait for."""


class HttpVendor:
    """Asks one vendor for JSON."""

    def __init__(
        self,
        name: str,
        key: str,
        timeout_seconds: float,
        first_wait_seconds: float = 1.0,
        turn: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        """Keep what every request needs.

        Args:
            name: the vendor's name, for messages.
            key: its key, empty where it needs none; it is cut out of every answer and message.
            timeout_seconds: how long one request may take; nothing is waited for that long.
            first_wait_seconds: the wait before the first retry; it doubles, and the vendor's own wish wins.
            turn: awaited before each request, retries too; its errors are the caller's.
        """
        self.name = name
        self.key = key.strip()
        self.timeout_seconds = timeout_seconds
        self._first_wait_seconds = first_wait_seconds
        self._turn = turn
        self._echo = _forms_of(self.key)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Send]:
        """A connection for requests that belong together."""
        async with httpx2.AsyncClient(verify=_tls(), timeout=self.timeout_seconds) as http:
            yield http.request

    async def ask(self, send: Send, request: Mapping[str, Any], read: Callable[[Reply], T]) -> T:
        """One request, repeated while it fails for reasons that pass.

        Args:
            send: makes it; see `connected`.
            request: what it is called with: method, address, parameters, headers and body.
            read: tells an answer from a refusal, and takes from it what is wanted.

        Raises:
            VendorCallError: no answer, or a refusal; whatever ``read`` and the turn raise.
        """
        async for attempt in stamina.retry_context(
            on=self._wait_before_retry,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=self._first_wait_seconds,
            wait_max=_LONGEST_WAIT_SECONDS,
            wait_jitter=self._first_wait_seconds / 2,
        ):
            with attempt:
                await self._turn()
                return read(await self._once(send, request))
        raise VendorCallError(f"{self.name}: no attempt was made")

    async def _once(self, send: Send, request: Mapping[str, Any]) -> Reply:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                response = await send(**request)
        except TimeoutError:
            failed, passes = f"did not answer within {self.timeout_seconds:g} s", True
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            failed, passes = f"cannot be reached: {type(error).__name__}", isinstance(error, httpx2.TransportError)
        else:
            return self._reply(response)
        # Not from within: the error's own words, and its context, could repeat the address or a header.
        raise VendorCallError(f"{self.name} {failed}", passes=passes)

    def _reply(self, response: Response) -> Reply:
        text = response.content.decode(errors="replace")
        if self._echo is not None:
            text = self._echo.sub("[key]", text)
        wait = retry_after_seconds(response.headers.get("retry-after"))
        return Reply(self.name, response.status_code, text, wait, _json_of(text))

    def _wait_before_retry(self, error: Exception) -> bool | float:
        if not isinstance(error, VendorCallError) or not error.passes:
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait < self.timeout_seconds else False


def _json_of(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _forms_of(key: str) -> re.Pattern[str] | None:
    """The key as it is and as an address or JSON writes it: vendors repeat it in their refusals."""
    if not key:
        return None
    # A text within a text is escaped twice.
    forms = (rf"(?:{re.escape(c)}|%(?:25)*{ord(c):02x}|\\+u{ord(c):04x}|\\+{re.escape(c)})" for c in key)
    return re.compile("".join(forms), re.IGNORECASE)


@lru_cache(maxsize=1)
def _tls() -> Any:  # noqa: ANN401 - ssl's context, which takes a tenth of a second to read the trust store
    return httpx2.create_ssl_context()
