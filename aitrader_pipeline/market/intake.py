"""The intake of raw bars: every good one is kept once, every bad one is refused with its place and reason."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

import pandas as pd

from aitrader_pipeline.market.bars import (
    BadBarError,
    PriceBatch,
    RawBar,
    RejectedBar,
    as_text,
    canonical_values,
    parse_date,
    parse_symbol,
    parse_values,
    plain,
)
from aitrader_pipeline.market.calendar import is_session
from aitrader_pipeline.market.plain_bars import looked_at, looking

_CHUNK = 50_000
# So many bars are looked at one by one before DuckDB has even started.
_FEW = 1_000


def session_text(calendar_name: str, value: object) -> str:
    """Return a raw date as YYYY-MM-DD.

    Raises:
        BadBarError: It is no session of the exchange.
    """
    day = parse_date(value)
    if not is_session(calendar_name, day):
        raise BadBarError(f"{day} is no session of {calendar_name}")
    return day.isoformat()


class _Given(NamedTuple):
    """A raw bar that waits to be looked at; the subject is what its canonical line begins with."""

    number: int
    subject: str
    raw: RawBar
    symbol: object
    date: object
    file: str
    line: int | None
    place: str


class BarIntake:
    """Collects the bars of one source, file after file.

    DuckDB looks at thousands of bars at once and passes those that are plainly good. All others are looked at one
    by one, which alone says what is wrong with them.

    Args:
        calendar_name: The exchange whose sessions a bar must be of.
        moment: Given the calendar and a raw date, what stands for it in a canonical line; raises `BadBarError`
            where no bar can be of it.
    """

    def __init__(self, calendar_name: str, moment: Callable[[str, object], str] = session_text) -> None:
        self._calendar = calendar_name
        self._moment = moment
        self._waiting: list[_Given] = []
        self._lines: dict[str, str] = {}
        self._rejected: list[tuple[int, RejectedBar]] = []
        self._number = 0
        # A file names few different symbols and dates, and each of them very often.
        self._symbols: dict[object, str] = {}
        self._moments: dict[object, str] = {}

    def add(
        self, raw: RawBar, *, symbol: object, date: object, file: str, line: int | None, place: str = ""
    ) -> None:
        """Take one raw bar in, or refuse it.

        The first of several bars of one symbol and date stands; an identical one after it is harmless.

        Args:
            raw: The bar's values as the source gave them.
            symbol: The ticker as given.
            date: The date as given.
            file: The file's name, for the refusal.
            line: The physical line, for the refusal.
            place: What else tells people where it is, set before the reason (for example "row 3").
        """
        self._number += 1
        try:
            subject = f"{self._symbol(symbol)},{self._moment_of(date)}"
        except BadBarError as error:
            self._refuse(_Given(self._number, "", raw, symbol, date, file, line, place), str(error))
            return
        self._waiting.append(_Given(self._number, subject, raw, symbol, date, file, line, place))
        if len(self._waiting) == _CHUNK:
            self._look()

    def take(
        self, ending: str, *, symbol: object, date: object, file: str, line: int | None, place: str = ""
    ) -> None:
        """Take in a bar whose values are plainly good, or refuse it for its symbol or date.

        Args:
            ending: How its canonical line ends; see `Looked`.
            symbol: As for `add`; so are the others.
            date: The date as given.
            file: The file's name.
            line: The physical line.
            place: What else tells people where it is.
        """
        if self._waiting:
            self._look()
        self._number += 1
        try:
            subject = f"{self._symbol(symbol)},{self._moment_of(date)}"
            self._keep(subject, f"{subject},{ending}")
        except BadBarError as error:
            self._refuse(_Given(self._number, "", RawBar(None), symbol, date, file, line, place), str(error))

    def refuse(
        self, reason: str, *, symbol: object = None, date: object = None, file: str, line: int | None
    ) -> None:
        """Note that something in a file is no bar."""
        self._number += 1
        self._refuse(_Given(self._number, "", RawBar(None), symbol, date, file, line, ""), reason)

    def batch(self, source: str) -> PriceBatch:
        """Return everything that was taken in under the source's name."""
        self._look()
        # By symbol and date: a comma comes before all that a ticker may hold.
        text = "".join(sorted(self._lines.values()))
        rejected = sorted(self._rejected, key=itemgetter(0))
        return PriceBatch(source, text, tuple(refused for _, refused in rejected))

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for given, ending in zip(waiting, _endings(waiting), strict=True):
            try:
                values = ending or canonical_values(parse_values(given.raw))
                self._keep(given.subject, f"{given.subject},{values}")
            except BadBarError as error:
                self._refuse(given, str(error))

    def _keep(self, subject: str, line: str) -> None:
        first = self._lines.setdefault(subject, line)
        if first != line:
            values = f"{_values(line)}; kept: {_values(first)}"
            raise BadBarError(f"second bar with other values: {values}")

    def _refuse(self, given: _Given, reason: str) -> None:
        told = f"{given.place}: {reason}" if given.place else reason
        subject = as_text(given.symbol)[:40], as_text(given.date)[:40]
        self._rejected.append((given.number, RejectedBar(given.file, given.line, *subject, told)))

    def _symbol(self, value: object) -> str:
        known = self._symbols.get(value) if isinstance(value, str) else None
        if known is None:
            known = parse_symbol(value)
            self._symbols[as_text(value)] = known
        return known

    def _moment_of(self, value: object) -> str:
        known = self._moments.get(value) if isinstance(value, str) else None
        if known is None:
            known = self._moment(self._calendar, value)
            self._moments[as_text(value)] = known
        return known


def _endings(waiting: Sequence[_Given]) -> list[str | None]:
    """How the canonical lines of raw bars end, in their order; None for one that takes a second look."""
    if len(waiting) < _FEW:
        return [None] * len(waiting)
    frame = pd.DataFrame(
        [tuple(map(_as_given, given.raw)) for given in waiting], columns=list(RawBar._fields), dtype=object
    )
    frame = frame.assign(position=range(len(frame)), symbol="", moment="")
    with looking() as con:
        con.register("raw_bars", frame)
        return [ending for _, _, ending, _ in looked_at(con)]


def _as_given(value: object) -> str | None:
    # Not left to DuckDB, which takes a NaN for a missing value.
    return value if value is None or isinstance(value, str) else str(value)


def _values(line: str) -> str:
    values = zip(RawBar._fields, line.rstrip("\n").split(",")[2:], strict=True)
    return ", ".join(f"{field} {plain(Decimal(value))}" for field, value in values if value)
