"""What the room asks of a vendor of daily bars, and what it gets."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.actions import ActionIntake
from aitrader_pipeline.market.intake import BarIntake

Clock = Callable[[], dt.datetime]

_STAMP = "%Y%m%dT%H%M%S.%fZ"


def utc_now() -> dt.datetime:
    """The clock on the wall."""
    return dt.datetime.now(dt.UTC)


class VendorError(PriceError):
    """This ask failed, others need not; the message names the vendor and what was asked, never the key."""


class VendorKeyError(VendorError):
    """There is no key, or the vendor does not take it: no ask will succeed."""


class VendorLimitError(VendorError):
    """The vendor answers no more for now; what came is kept, and what is missing can be asked later.

    Attributes:
        wait: seconds until it may answer again, None where that is not known.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Ask:
    """One call of a vendor.

    Attributes:
        key: What is asked for: a symbol; a session such as 2025-10-30 where a call brings the whole market of a
            day; or what is told of companies' actions, such as ``AAPL@splits``.
        first: The first session that is wanted.
        last: The last session that is wanted.
    """

    key: str
    first: dt.date
    last: dt.date


@dataclass(frozen=True)
class RawAnswer:
    """What came, as it came, but for the key, which is cut out.

    Attributes:
        source: The vendor's name.
        key: What was asked for; see `Ask`.
        first: The first session that was wanted.
        last: The last session that was wanted.
        fetched_at: When it came (UTC).
        sha256: Of the body, in hex.
        body: JSON.
    """

    source: str
    key: str
    first: dt.date
    last: dt.date
    fetched_at: dt.datetime
    sha256: str
    body: bytes

    @property
    def file(self) -> str:
        """The name of its file, below the folder of all raw answers."""
        return f"{self.source}/{folder_of(self.key)}/{self.fetched_at.strftime(_STAMP)}.json.gz"


class Vendor(Protocol):
    """Somebody who sells or gives daily bars over the network."""

    name: str
    answers_by: Literal["symbol", "session"]

    def asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """The fewest calls that fill the gaps, those that fill most first; then the companies' actions.

        Args:
            gaps: The sessions that have no bar, by symbol. A symbol without a missing session needs no bars, but
                news of its company's actions, where the vendor tells of these apart and the newest answer is older
                than the newest session that is over.
        """
        ...

    async def fetch(self, ask: Ask) -> RawAnswer:
        """Make one call, again where what hinders it passes.

        Raises:
            VendorLimitError: its limit is reached.
            VendorKeyError: there is no key, or it is not taken.
            VendorError: this ask failed.
        """
        ...

    def parse(self, answer: RawAnswer, intake: BarIntake, actions: ActionIntake) -> None:
        """Take in the whole of an answer, not the wanted sessions alone.

        Bars are raw, as traded. What is bad is refused with the answer's file and a reason, and so is an answer
        without any bar. A bar of a session that was not over when the answer came is its open alone.
        """
        ...


def folder_of(key: str) -> str:
    """The name of the folder with the answers to what was asked under a key."""
    return key.replace("%", "%25").replace("/", "%2F")
