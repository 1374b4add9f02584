"""Which failed calls are worth repeating, and how long to wait before."""

import openai

from aitrader_pipeline.retry_after import retry_after_seconds
from aitrader_pipeline.trading.traders.wire import GarbledReplyError

LONGEST_WAIT_SECONDS = 60.0
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})


class SlowReplyError(Exception):
    """The whole answer was not there in time; the client's own timeout begins anew with every byte."""


# ValueError and RecursionError: a body that is cut off, no JSON at all, or JSON that no record can hold.
CALL_ERRORS = (openai.OpenAIError, GarbledReplyError, SlowReplyError, ValueError, RecursionError)
_TRANSIENT_ERRORS = (
    openai.APIConnectionError,
    openai.APIResponseValidationError,
    GarbledReplyError,
    SlowReplyError,
    ValueError,
    RecursionError,
)


def wait_before_retry(error: Exception) -> bool | float:
    """Whether a failed call is worth repeating; the seconds to wait where the endpoint states them."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in _TRANSIENT_STATUS and error.status_code < 500:
            return False
        stated = retry_after_seconds(error.response.headers.get("retry-after"))
        return True if stated is None else min(stated, LONGEST_WAIT_SECONDS)
    return isinstance(error, _TRANSIENT_ERRORS)
