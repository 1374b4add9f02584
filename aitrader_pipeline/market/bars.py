"""One daily bar: what it may hold, how a raw one is checked, and the line of text that it travels as.

Prices are raw, as traded, in the arena's currency, with six decimals like the mart's; volume is in shares.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cached_property
from typing import NamedTuple

# Open, high, low, close and volume of a bar.
Values = tuple[Decimal, Decimal | None, Decimal | None, Decimal | None, int | None]

PRICE_STEP = Decimal("0.000001")
_PRICE_LIMIT = Decimal(10**12)
_VOLUME_LIMIT = Decimal(2**63)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TICKER = re.compile(r"[A-Z0-9^][A-Z0-9.^=/_-]{0,31}", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)([ T]00:00:00(\.0+)?)?", re.ASCII)
_DATE_LENGTH = len("2025-10-30")


@dataclass(frozen=True, slots=True)
class Bar:
    """One symbol's bar of one exchange session.

    A bar is complete when its high, low and close are known. The newest day's bar may hold the open alone:
    it can be traded and not yet valued.
    """

    symbol: str
    date: dt.date
    open: Decimal
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: int | None = None

    @property
    def complete(self) -> bool:
        """Whether high, low and close are all known."""
        return self.high is not None and self.low is not None and self.close is not None


@dataclass(frozen=True)
class RejectedBar:
    """A bar that was refused: its place in the source, what it claimed to be, and why.

    `line` is the physical line of a text file, counted from 1; None where the format has no such line.
    """

    file: str
    line: int | None
    symbol: str
    date: str
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        subject = " ".join(part for part in (self.symbol, self.date) if part)
        return f"{place}: {subject}: {self.reason}" if subject else f"{place}: {self.reason}"


@dataclass(frozen=True)
class PriceBatch:
    """What one reading of a source gave.

    Attributes:
        source: Its name.
        text: The canonical lines of the bars, sorted by symbol and date, each once. Bars travel as text: a hundred
            thousand of them are millions of objects otherwise.
        rejected: What was refused, in the order of the source.
    """

    source: str
    text: str
    rejected: tuple[RejectedBar, ...]

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """The bars."""
        return tuple(map(bar_of_line, self.text.splitlines()))

    @cached_property
    def content_hash(self) -> str:
        """The sha256 in hex of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __len__(self) -> int:
        """How many bars there are."""
        return self.text.count("\n")


class BadBarError(Exception):
    """Why a raw bar is no bar; a source turns it into a `RejectedBar`."""


class RawBar(NamedTuple):
    """The six values of a bar as a source gave them: text, numbers, or None and "" for missing."""

    open: object
    high: object = None
    low: object = None
    close: object = None
    volume: object = None


def parse_bar(symbol: str, date: dt.date, raw: RawBar) -> Bar:
    """Check a raw bar and make it exact.

    Args:
        symbol: The ticker, as `parse_symbol` returns it.
        date: The session, as `parse_date` returns it.
        raw: The values; a price beyond six decimals is rounded half to even.

    Returns:
        A bar whose prices have exactly six decimals.

    Raises:
        BadBarError: A value is missing, is no positive finite number, or contradicts the others.
    """
    return Bar(symbol, date, *parse_values(raw))


def parse_values(raw: RawBar) -> Values:
    """Check the values of a raw bar and make them exact; see `parse_bar`."""
    opened = _price("open", raw.open)
    if opened is None:
        raise BadBarError("open is missing")
    high, low, close = _price("high", raw.high), _price("low", raw.low), _price("close", raw.close)
    volume = _volume(raw.volume)
    if high is None or low is None or close is None:
        _refuse_partial(high, low, close)
        return opened, None, None, None, volume
    if not low <= opened <= high:
        raise BadBarError(f"open {plain(opened)} is outside low..high {plain(low)}..{plain(high)}")
    if not low <= close <= high:
        raise BadBarError(f"close {plain(close)} is outside low..high {plain(low)}..{plain(high)}")
    return opened, high, low, close, volume


def parse_symbol(value: object) -> str:
    """Return the ticker in upper case without surrounding space.

    Raises:
        BadBarError: It is missing or no ticker.
    """
    text = as_text(value).upper()
    if not text:
        raise BadBarError("symbol is missing")
    if _TICKER.fullmatch(text) is None:
        raise BadBarError(f"symbol {shown(text)} is no ticker")
    return text


def parse_date(value: object) -> dt.date:
    """Return the date written as YYYY-MM-DD, with or without a midnight time after it.

    Raises:
        BadBarError: It is missing or no such date.
    """
    text = as_text(value)
    match = _DATE.fullmatch(text)
    try:
        if match is not None:
            return dt.date.fromisoformat(match[1])
    except ValueError:
        pass
    raise BadBarError(f"date {shown(text)} is no date YYYY-MM-DD" if text else "date is missing")


def parse_number(field: str, value: object) -> Decimal | None:
    """Return a source's finite number, exactly as it is written; None where nothing is.

    Raises:
        BadBarError: It is no finite number.
    """
    text = as_text(value)
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise BadBarError(f"{field} {shown(text)} is no finite number")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadBarError(f"{field} {shown(text)} is no finite number") from None


def canonical(bar: Bar) -> str:
    """Return the bar as the one line of text that hashes are taken of; equal bars give equal text."""
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return f"{bar.symbol},{bar.date},{canonical_values(values)}"


def canonical_values(values: Values) -> str:
    """Return what a canonical line ends with, after whose bar it is and of when."""
    *prices, volume = values
    told = ",".join("" if price is None else f"{price:.6f}" for price in prices)
    return f"{told},{'' if volume is None else volume}\n"


def bar_of_line(line: str) -> Bar:
    """Return the bar that a canonical line tells of; the inverse of `canonical`."""
    symbol, date, opened, *rest, volume = line.rstrip("\n").split(",")
    high, low, close = (Decimal(price) if price else None for price in rest)
    known = int(volume) if volume else None
    return Bar(symbol, dt.date.fromisoformat(date), Decimal(opened), high, low, close, known)


def date_of_line(line: str) -> str:
    """Return the date of a canonical line as YYYY-MM-DD."""
    start = line.index(",") + 1
    return line[start : start + _DATE_LENGTH]


def price_batch(source: str, bars: Iterable[Bar], rejected: Iterable[RejectedBar]) -> PriceBatch:
    """Put bars (each symbol and date once, in any order) into a batch."""
    ordered = sorted(bars, key=lambda bar: (bar.symbol, bar.date))
    return PriceBatch(source, "".join(map(canonical, ordered)), tuple(rejected))


def as_text(value: object) -> str:
    """Return a source's value as text without surrounding space; a missing one as the empty text."""
    return "" if value is None else str(value).strip()


def plain(number: Decimal) -> str:
    """Return a price for people: without trailing zeros, never in exponent form."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(text: str) -> str:
    """Quote a source's text for a message, cut to a length that a message can bear."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _price(field: str, value: object) -> Decimal | None:
    number = parse_number(field, value)
    if number is None:
        return None
    price = number.quantize(PRICE_STEP, rounding=ROUND_HALF_EVEN) if 0 < number < _PRICE_LIMIT else number
    if price >= _PRICE_LIMIT:
        raise BadBarError(f"{field} {shown(as_text(value))} is too large: a price is below {_PRICE_LIMIT}")
    if price <= 0:
        raise BadBarError(f"{field} {shown(as_text(value))} is not above 0 (with six decimals)")
    return price


def _volume(value: object) -> int | None:
    number = parse_number("volume", value)
    if number is None:
        return None
    if number < 0:
        raise BadBarError(f"volume {shown(as_text(value))} is negative")
    if number >= _VOLUME_LIMIT:
        raise BadBarError(f"volume {shown(as_text(value))} is too large: it is below {_VOLUME_LIMIT}")
    if number != number.to_integral_value():
        raise BadBarError(f"volume {shown(as_text(value))} is no whole number of shares")
    return int(number)


def _refuse_partial(high: Decimal | None, low: Decimal | None, close: Decimal | None) -> None:
    values = {"high": high, "low": low, "close": close}
    missing = [field for field, price in values.items() if price is None]
    if len(missing) < len(values):
        raise BadBarError(
            f"partial bar: {' and '.join(missing)} missing (all of high, low, close or the open alone)"
        )
