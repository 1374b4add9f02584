"""The date gate: what is not known to have been published before the decision time does not pass."""

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal

DropReason = Literal[
    "no_date", "relative_date", "unparsable_date", "uncertain_date", "later_date", "no_address", "unreadable"
]

# The world's time zones: a time without one is somewhere between.
_EASTMOST = dt.timedelta(hours=14)
_WESTMOST = dt.timedelta(hours=12)
_DAY = dt.timedelta(days=1)
# Older than the web: a default such as 1970-01-01, not the date of a page.
_FIRST_YEAR = 1990

_RELATIVE = re.compile(r"\b(ago|just now|now|today|tonight|yesterday|tomorrow|(this|last) \w+)\b", re.IGNORECASE)
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_ISO_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?|\d{8}T\d{4}(\d{2})?) ?(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
# Stricter than the parser, which takes a missing time for midnight and any word for an unknown zone.
_HTTP_TIME = re.compile(r"([A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}(:\d{2})? (GMT|UTC|[+-]\d{4})")
_WRITTEN_DAYS = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")


@dataclass(frozen=True)
class Published:
    """When something was published: not before ``earliest``, not after ``latest`` (both UTC)."""

    earliest: dt.datetime
    latest: dt.datetime
    text: str


def read_date(value: object) -> Published | DropReason:
    """Read a vendor's date, or say why it cannot be relied on.

    A day may be meant in any time zone, and so may a time that does not state one: both ends are kept.
    """
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        return "no_date"
    if not isinstance(text, str):
        return "unparsable_date"
    if _RELATIVE.search(text):
        return "relative_date"
    try:
        moment = _moment(text)
        published = _day(text) if moment is None else _at(moment)
    except (ValueError, OverflowError):
        return "unparsable_date"
    return "unparsable_date" if published is None or published.latest.year < _FIRST_YEAR else published


def _moment(text: str) -> dt.datetime | None:
    iso = _ISO_TIME.fullmatch(text)
    if iso:
        zone = iso[5]
        return dt.datetime.fromisoformat(iso[1] + ("+00:00" if zone in ("Z", "UTC", "GMT") else zone or ""))
    return parsedate_to_datetime(text) if _HTTP_TIME.fullmatch(text) else None


def _at(moment: dt.datetime) -> Published:
    if moment.tzinfo is None:
        as_utc = moment.replace(tzinfo=dt.UTC)
        return Published(as_utc - _EASTMOST, as_utc + _WESTMOST, moment.isoformat(timespec="seconds"))
    utc = moment.astimezone(dt.UTC)
    return Published(utc, utc, utc.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _day(text: str) -> Published | None:
    day = dt.datetime.fromisoformat(text) if _ISO_DAY.fullmatch(text) else _written_day(text)
    if day is None:
        return None
    start = day.replace(tzinfo=dt.UTC)
    return Published(start - _EASTMOST, start + _DAY + _WESTMOST, day.date().isoformat())


def _written_day(text: str) -> dt.datetime | None:
    for form in _WRITTEN_DAYS:
        try:
            return dt.datetime.strptime(text, form)  # noqa: DTZ007 - a day has no zone; the caller adds all of them
        except ValueError:
            continue
    return None


@dataclass
class DateGate:
    """Lets pass what was published before the decision time for certain, and counts the rest by reason."""

    decision_time: dt.datetime
    dropped: Counter[DropReason] = field(default_factory=Counter)

    @property
    def newest_without_zone(self) -> dt.datetime:
        """The newest time without a zone that passes, to ask a vendor for nothing newer."""
        return (self.decision_time.astimezone(dt.UTC) - _WESTMOST).replace(tzinfo=None)

    def admit(self, date: object) -> Published | None:
        """The date, or None where it does not pass; that is counted."""
        published = read_date(date)
        if isinstance(published, Published):
            if published.latest < self.decision_time:
                return published
            self.drop("later_date" if published.earliest >= self.decision_time else "uncertain_date")
        else:
            self.drop(published)
        return None

    def drop(self, reason: DropReason) -> None:
        """Count something that does not pass for another reason than its date."""
        self.dropped[reason] += 1
