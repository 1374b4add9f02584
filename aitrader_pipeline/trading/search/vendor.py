"""A vendor's JSON API over HTTP: what passes is retried, and the key stays out of all that is said."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2
import stamina

from aitrader_pipeline.retry_after import retry_after_seconds
from aitrader_pipeline.trading.search import SearchError

_ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 10.0
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_KEY_IN_ADDRESS = re.compile(r"(apikey=)[^&\s\"']+", re.IGNORECASE)

# What makes a body an answer; raises VendorError where it is none.
Check = Callable[[Any], None]


def _without_key(record: logging.LogRecord) -> bool:
    """The HTTP client logs whole addresses, and one vendor takes its key there."""
    record.msg, record.args = _KEY_IN_ADDRESS.sub(r"\1[key]", record.getMessage()), ()
    return True


logging.getLogger("httpx2").addFilter(_without_key)


class VendorError(SearchError):
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


class Vendor:
    """Asks one vendor for JSON."""

    def __init__(self, name: str, key: str, timeout_seconds: float, first_wait_seconds: float = 1.0) -> None:
        """Keep what every request needs.

        Args:
            name: the vendor's name, for messages.
            key: its key; it is cut out of every answer and message.
            timeout_seconds: how long all requests of one search may take together, with their retries.
            first_wait_seconds: the wait before the first retry; it doubles, and the vendor's own wish wins.
        """
        self.name = name
        self.key = key.strip()
        self._timeout_seconds = timeout_seconds
        self._first_wait_seconds = first_wait_seconds

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A connection for the requests of one search.

        Raises:
            VendorError: they took too long.
        """
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                httpx2.AsyncClient(verify=_tls(), timeout=self._timeout_seconds) as http,
            ):
                yield http
        except TimeoutError:
            raise VendorError(f"{self.name} did not answer within {self._timeout_seconds:g} s") from None

    async def ask(self, http: httpx2.AsyncClient, request: Mapping[str, Any], check: Check) -> Mapping[str, Any]:
        """One request, repeated while it fails for reasons that pass.

        Args:
            http: the connection.
            request: method, address, parameters, headers and body, as httpx2 takes them.
            check: tells an answer from a refusal that comes with HTTP 200.

        Raises:
            VendorError: no answer, or a refusal.
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
                return await self._once(http, request, check)
        raise VendorError(f"{self.name}: no attempt was made")

    async def _once(self, http: httpx2.AsyncClient, request: Mapping[str, Any], check: Check) -> Mapping[str, Any]:
        try:
            response = await http.request(**request)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            # The error's own words could repeat the address or a header.
            raise VendorError(
                f"{self.name} cannot be reached: {type(error).__name__}",
                passes=isinstance(error, httpx2.TransportError),
            ) from None
        wait = retry_after_seconds(response.headers.get("retry-after"))
        body = self._body(response)
        if not response.is_success:
            status = response.status_code
            raise VendorError(
                f"{self.name} answered HTTP {status}: {_words(body)}",
                status=status,
                passes=status in _TRANSIENT_STATUS or status >= 500,
                wait=wait,
            )
        if not isinstance(body, dict):
            raise VendorError(f"{self.name} answered what is no JSON object", passes=True, wait=wait)
        try:
            check(body)
        except VendorError as refusal:
            refusal.wait = wait
            raise
        return body

    def _body(self, response: httpx2.Response) -> Any:  # noqa: ANN401 - any JSON value
        try:
            return self._scrubbed(response.json())
        except (ValueError, RecursionError):
            return None

    def _scrubbed(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The value without the key, which vendors repeat in their refusals."""
        if isinstance(value, dict):
            return {self._scrubbed(name): self._scrubbed(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._scrubbed(inner) for inner in value]
        if isinstance(value, str):
            for form in (self.key, quote(self.key, safe=""), quote_plus(self.key)):
                value = value.replace(form, "[key]")
        return value

    def _wait_before_retry(self, error: Exception) -> bool | float:
        if not isinstance(error, VendorError) or not error.passes:
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait < self._timeout_seconds else False


@lru_cache(maxsize=1)
def _tls() -> Any:  # noqa: ANN401 - ssl's context, which takes a tenth of a second to read the trust store
    return httpx2.create_ssl_context()


def _words(body: object) -> str:
    """What a refusal says."""
    if isinstance(body, dict):
        said = (body.get(name) for name in ("readableMessage", "message", "detail", "error"))
        text = next((words for words in said if isinstance(words, str)), "")
        if text:
            return text[:300]
    return "no reason given"


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """A text field of a vendor's object; empty where it is missing or something else."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def address_of(entry: Mapping[str, Any]) -> str | None:
    """The address of a result, if it has one on the web."""
    url = text_of(entry, "url").strip()
    return url if re.match(r"https?://[^\s]+\Z", url, re.IGNORECASE) else None


def objects_of(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in a body; whatever else is in it is left out."""
    entries = body.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
