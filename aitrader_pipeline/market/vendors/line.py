"""The line to one vendor: calls within its limits, and raw answers without its key."""

import hashlib
from collections.abc import Callable, Mapping

from aitrader_pipeline.market.vendors.contract import Ask, Clock, RawAnswer, VendorError, VendorLimitError
from aitrader_pipeline.market.vendors.limits import CallLimits
from aitrader_pipeline.market.vendors.raw_answers import RawAnswers
from aitrader_pipeline.vendor_http import HttpVendor, Reply, Send, VendorCallError

_TOO_MANY_REQUESTS = 429
_TIMEOUT_SECONDS = 60.0


class TooFastError(VendorCallError):
    """The vendor wants more time between two calls."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message, passes=True, wait=wait)


class VendorLine:
    """What every vendor needs in order to be asked.

    Attributes:
        source: the vendor's name in the config.
        key: its key, empty where it needs none.
        limits: how often it may be called.
        answers: what it answered so far.
        clock: tells the time.
    """

    def __init__(
        self,
        source: str,
        key: str,
        base_url: str,
        limits: CallLimits,
        answers: RawAnswers,
        clock: Clock,
        first_wait_seconds: float,
    ) -> None:
        """Keep what every call needs; see `open_vendor`."""
        self.source = source
        self.limits = limits
        self.answers = answers
        self.clock = clock
        self._base_url = base_url.rstrip("/")
        self._http = HttpVendor(source, key, _TIMEOUT_SECONDS, first_wait_seconds, limits.turn)

    @property
    def key(self) -> str:
        """The vendor's key."""
        return self._http.key

    async def get(
        self,
        ask: Ask,
        path: str,
        read: Callable[[Reply], str],
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        send: Send | None = None,
    ) -> str:
        """One call, repeated while it fails for reasons that pass.

        Args:
            ask: what is asked for, for messages.
            path: where, below the vendor's address.
            read: tells an answer from a refusal, and takes its text.
            params: of the address.
            headers: of the request.
            send: makes the call; by default an HTTP client of our own.

        Raises:
            VendorLimitError: the vendor's limit is reached.
            VendorError: this ask failed, or whatever ``read`` raises.
        """
        request = {"method": "GET", "url": f"{self._base_url}{path}", "params": params, "headers": headers or {}}
        try:
            if send is not None:
                return await self._http.ask(send, request, read)
            async with self._http.connected() as connection:
                return await self._http.ask(connection, request, read)
        except VendorCallError as error:
            if error.status == _TOO_MANY_REQUESTS or isinstance(error, TooFastError):
                words = f"{ask.key}: {error}; go on later (what came is kept)"
                raise VendorLimitError(words, error.wait) from None
            raise VendorError(f"{ask.key}: {error}") from None

    def answer(self, ask: Ask, text: str) -> RawAnswer:
        """What came, as it is kept."""
        body = text.encode()
        digest = hashlib.sha256(body).hexdigest()
        return RawAnswer(self.source, ask.key, ask.first, ask.last, self.clock(), digest, body)
