"""The intake of raw bars: every good one is kept once, every bad one is refused with its place and reason."""

import datetime as dt

from aitrader_pipeline.market.bars import (
    BadBarError,
    Bar,
    PriceBatch,
    RawBar,
    RejectedBar,
    as_text,
    parse_bar,
    parse_date,
    parse_symbol,
    plain,
    price_batch,
)
from aitrader_pipeline.market.calendar import is_session


class BarIntake:
    """Collects the bars of one source, file after file.

    Args:
        calendar_name: The exchange whose sessions a bar's date must be one of.
    """

    def __init__(self, calendar_name: str) -> None:
        self._calendar = calendar_name
        self._bars: dict[tuple[str, dt.date], Bar] = {}
        self._rejected: list[RejectedBar] = []
        # A file names few different symbols and dates, and each of them very often.
        self._symbols: dict[object, str] = {}
        self._dates: dict[object, dt.date] = {}

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
        try:
            bar = parse_bar(self._symbol(symbol), self._date(date), raw)
            self._keep(bar)
        except BadBarError as error:
            reason = f"{place}: {error}" if place else str(error)
            self.refuse(reason, symbol=symbol, date=date, file=file, line=line)

    def refuse(
        self, reason: str, *, symbol: object = None, date: object = None, file: str, line: int | None
    ) -> None:
        """Note that something in a file is no bar."""
        self._rejected.append(RejectedBar(file, line, as_text(symbol)[:40], as_text(date)[:40], reason))

    def batch(self, source: str) -> PriceBatch:
        """Return everything that was taken in under the source's name."""
        return price_batch(source, self._bars.values(), self._rejected)

    def _keep(self, bar: Bar) -> None:
        first = self._bars.setdefault((bar.symbol, bar.date), bar)
        if first != bar:
            raise BadBarError(f"second bar with other values: {_values(bar)}; kept: {_values(first)}")

    def _symbol(self, value: object) -> str:
        known = self._symbols.get(value) if isinstance(value, str) else None
        if known is None:
            known = parse_symbol(value)
            self._symbols[as_text(value)] = known
        return known

    def _date(self, value: object) -> dt.date:
        known = self._dates.get(value) if isinstance(value, str) else None
        if known is None:
            known = parse_date(value)
            if not is_session(self._calendar, known):
                raise BadBarError(f"{known} is no session of {self._calendar}")
            self._dates[as_text(value)] = known
        return known


def _values(bar: Bar) -> str:
    prices = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
    parts = [f"{field} {plain(price)}" for field, price in prices.items() if price is not None]
    if bar.volume is not None:
        parts.append(f"volume {bar.volume}")
    return ", ".join(parts)
