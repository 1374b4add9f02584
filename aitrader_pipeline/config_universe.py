"""The universe as a config states it: symbols, when each is a member, and of which sector, where that is known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

from pydantic_core import PydanticKnownError

from aitrader_pipeline.config_files import read_json
from aitrader_pipeline.errors import ConfigError

_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=-]*")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEYS = ("symbol", "from", "to", "sector")


@dataclass(frozen=True)
class Membership:
    """A symbol that belongs to the universe for a time.

    Attributes:
        symbol: The ticker.
        first: The first day; None has always been one.
        last: The last day; None goes on.
        sector: What it is counted under when profits are summed up; no session knows it.
    """

    symbol: str
    first: date | None = None
    last: date | None = None
    sector: str | None = None

    def __str__(self) -> str:
        """Without its sector, for people and for the hash of the settings: ``X from 2024-12-23 to 2025-05-16``."""
        since = f" from {self.first}" if self.first else ""
        return self.symbol + since + (f" to {self.last}" if self.last else "")

    def covers(self, day: date) -> bool:
        """Whether it is a member on a day."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


# A symbol that is always a member stands as text alone, as most lists have it.
Entry = str | Membership


def members_on(entries: Sequence[Entry], day: date) -> tuple[str, ...]:
    """The symbols that are members on a day, in the order of the list."""
    return tuple(
        entry if isinstance(entry, str) else entry.symbol
        for entry in entries
        if isinstance(entry, str) or entry.covers(day)
    )


def sectors_of(entries: Sequence[Entry]) -> Mapping[str, str]:
    """The sector of every symbol that has one; the newest entry's."""
    return {
        entry.symbol: entry.sector
        for entry in entries
        if isinstance(entry, Membership) and entry.sector is not None
    }


def strict_date(value: object) -> object:
    """Take a date, or its text; see the error for what is right."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a day of the calendar; check month and day") from None
    shown = repr(value) if isinstance(value, (str, int, float)) else "this"
    raise ValueError(f"{shown} is not a date; use YYYY-MM-DD in quotes, such as '2025-10-01'")


def symbol_text(value: str) -> str:
    """Take a symbol in any case; see the error for what is right."""
    symbol = value.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"{value!r} is not a symbol; use letters, digits, '.' and '-', such as 'AAPL'")
    return symbol


def entries_of_file(value: object) -> object:
    """Take a list, or the path of a JSON file with one."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    path = Path(value)
    if not path.is_file():
        raise ValueError(f"no such file: {value}; give a list of symbols or the path of a JSON list of them")
    try:
        entries = read_json(path)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if not isinstance(entries, list) or not all(isinstance(entry, str | dict) for entry in entries):
        raise ValueError(f"{value} is not a JSON list of symbols in quotes, such as ['AAPL', 'MSFT']")
    return tuple(entries)


def entry_of(value: object) -> Entry:
    """Take one entry: a symbol, or an object with it, the first and the last day of its membership, its sector."""
    if isinstance(value, Mapping):
        return _membership(value)
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return symbol_text(value)


def each_once(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Refuse an empty list, and one that has a symbol twice on one day."""
    if not entries:
        raise ValueError("the list is empty; give symbols, or leave it out for all that the source has")
    spans: dict[str, list[Membership]] = {}
    for entry in entries:
        span = Membership(entry) if isinstance(entry, str) else entry
        spans.setdefault(span.symbol, []).append(span)
    twice = sorted(symbol for symbol, own in spans.items() if _overlap(own))
    if twice:
        raise ValueError(f"given more than once: {', '.join(twice)}; each symbol stands once")
    return entries


def _overlap(spans: Sequence[Membership]) -> bool:
    in_order = sorted(spans, key=lambda span: span.first or date.min)
    return any((one.last or date.max) >= (next_one.first or date.min) for one, next_one in pairwise(in_order))


def _membership(entry: Mapping[object, object]) -> Membership:
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise ValueError(f"{str(unknown[0])[:40]!r} is not known in an entry; it has {', '.join(_KEYS)}")
    symbol = entry.get("symbol", "")
    if not symbol or not isinstance(symbol, str):
        raise ValueError("has no symbol in quotes; an entry is such as {'symbol': 'AAPL', 'from': '2024-12-23'}")
    days = [None if entry.get(key) is None else strict_date(entry[key]) for key in ("from", "to")]
    first, last = (day if isinstance(day, date) else None for day in days)
    if first and last and last < first:
        raise ValueError(f"ends on {last}, before it begins on {first}")
    sector = entry.get("sector")
    if sector is not None and not (isinstance(sector, str) and sector.strip()):
        raise ValueError("has a sector that is no text; leave it out where it is not known")
    return Membership(symbol_text(symbol), first, last, sector.strip() if isinstance(sector, str) else None)
