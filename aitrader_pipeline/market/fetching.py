"""Fetching: a vendor is asked for what is missing; what came is kept, whatever ends it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aitrader_pipeline.market.vendors import (
    Ask,
    RawAnswer,
    RawAnswers,
    Vendor,
    VendorError,
    VendorKeyError,
    VendorLimitError,
)

# A vendor that fails so often in a row is down, and each of its failures takes its retries' time.
_FAILURES_IN_A_ROW = 8


@dataclass(frozen=True)
class FailedAsk:
    """An ask that brought nothing, when, and why."""

    ask: Ask
    at: dt.datetime
    error: str


@dataclass
class Fetched:
    """What has become of a batch of asks so far.

    Attributes:
        asks: What is asked for, in this order.
        answers: What came.
        failed: What brought nothing.
        ended_by: Why it ended before everything was asked, None where it did not.
        key_refused: Whether that was the key, so that no further batch will bring anything.
    """

    asks: Sequence[Ask]
    answers: list[RawAnswer] = field(default_factory=list)
    failed: list[FailedAsk] = field(default_factory=list)
    ended_by: str | None = None
    key_refused: bool = False

    @property
    def left(self) -> Sequence[Ask]:
        """What was not asked."""
        return self.asks[len(self.answers) + len(self.failed) :]


async def fetch_all(
    vendor: Vendor,
    fetched: Fetched,
    answers: RawAnswers,
    *,
    on_answer: Callable[[RawAnswer], None] = lambda _: None,
    on_failure: Callable[[FailedAsk], None] = lambda _: None,
) -> None:
    """Ask a vendor one by one, keeping each answer as it comes.

    A limit, a refused key or a vendor that is down ends the batch.

    Args:
        vendor: Who is asked.
        fetched: What is asked for, and what becomes of it; true at any moment, interrupted or not.
        answers: Where answers are kept.
        on_answer: Called for each that is kept.
        on_failure: Called for each ask that failed; the next ones are asked all the same.
    """
    in_a_row = 0
    for ask in fetched.asks:
        try:
            answer = await vendor.fetch(ask)
        except (VendorLimitError, VendorKeyError) as error:
            fetched.ended_by, fetched.key_refused = str(error), isinstance(error, VendorKeyError)
            return
        except VendorError as error:
            failure = FailedAsk(ask, dt.datetime.now(dt.UTC), str(error))
            fetched.failed.append(failure)
            on_failure(failure)
            in_a_row += 1
            if in_a_row == _FAILURES_IN_A_ROW and fetched.left:
                fetched.ended_by = f"{vendor.name}: {in_a_row} calls in a row failed, the last: {error}"
                return
        else:
            in_a_row = 0
            answers.save(answer)
            fetched.answers.append(answer)
            on_answer(answer)
