"""Dates as people and programs write them, found in text."""

import datetime as dt
import re
from collections.abc import Iterator

# A date, and where it begins and ends in the text.
Found = tuple[dt.date, int, int]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
# Eight digits alone may be a volume: they are a date only with a time after them.
_NUMBERED = re.compile(r"(?<!\d)(?:(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?!\d)|(\d{4})(\d\d)(\d\d)(?=T\d\d))")
_WRITTEN = re.compile(
    rf"\b(?P<month>{_MONTH})\s+(?P<day>{_DAY}),?\s+(?P<year>\d{{4}})\b"
    rf"|\b(?P<first_day>{_DAY})[\s-](?:of\s+)?(?P<second_month>{_MONTH}),?[\s-](?P<last_year>\d{{4}})\b",
    re.IGNORECASE,
)
_EITHER_ORDER = re.compile(r"(?<![\d./])(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?![\d/])")
_OF_ADDRESS = re.compile(r"[/=](\d{4})([/-]?)(\d\d)\2(\d\d)(?=[/_-])")


def dates_in(text: str, *, after: dt.date) -> Iterator[Found]:
    """The dates in a text that are after another.

    2025-10-08, 2025/10/08, 20251008T0800, October 8th, 2025, 8 Oct 2025, 10/08/2025, 08.10.2025. Of a date that
    can be read as month and day or day and month, both are after the other and the earlier one is given.
    """
    for found in _NUMBERED.finditer(text):
        year, month, day = (found[1], found[3], found[4]) if found[1] else (found[5], found[6], found[7])
        yield from _valid(found, after, _date(int(year), int(month), int(day)))
    for found in _WRITTEN.finditer(text):
        name = found["month"] or found["second_month"]
        number = re.sub(r"\D", "", found["day"] or found["first_day"])
        month_number = _MONTHS.index(name[:3].lower()) + 1
        yield from _valid(found, after, _date(int(found["year"] or found["last_year"]), month_number, int(number)))
    for found in _EITHER_ORDER.finditer(text):
        one, other, year_number = int(found[1]), int(found[3]), int(found[4])
        readings = [_date(year_number, one, other), _date(year_number, other, one)]
        yield from _valid(found, after, min((date for date in readings if date), default=None))


def dates_of_address(address: str, *, after: dt.date) -> Iterator[Found]:
    """The dates in a page's address that are after another, such as ``/2025/10/08/``."""
    for found in _OF_ADDRESS.finditer(address):
        yield from _valid(found, after, _date(int(found[1]), int(found[3]), int(found[4])))


def _valid(found: re.Match[str], after: dt.date, date: dt.date | None) -> Iterator[Found]:
    if date is not None and date > after:
        yield date, found.start(), found.end()


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
