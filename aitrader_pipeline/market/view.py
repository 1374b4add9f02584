"""The as-of view: what a session may know of the market at the open of its day, and nothing later.

A `MarketView` is cut from a `PriceHistory` and holds, physically, the bars of the dates before its own and
of its own date the opens. Nobody who has only the view can ask it for more. A view that is watched remembers
what it was asked for, so that a bar which is restated later leads to exactly the sessions that saw it.
"""

import datetime as dt
import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from aitrader_pipeline.errors import ArenaError, PriceError
from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.bars import Bar, bar_of_line, canonical, date_of_line
from aitrader_pipeline.market.ex_dates import split_factor
from aitrader_pipeline.money import rounded

_DAY = dt.timedelta(days=1)

# Spans of dates, both ends included, each with the symbols of which a session saw the bars.
Spans = Mapping[tuple[dt.date, dt.date], Sequence[str]]
# One symbol's bars as canonical lines, oldest first.
Lines = tuple[str, ...]


class LookAheadError(ArenaError):
    """A date after the view's own was asked for; the message tells nothing of it, not even its date."""


@dataclass(frozen=True, eq=False, slots=True)
class MarketView:
    """The market as it is known at the open of one date; made by `PriceHistory.cut`.

    Only symbols of the universe are visible, whatever their case and surrounding space; any other symbol
    has no bar.

    Attributes:
        date: The date whose open is the decision time.
        universe: The visible symbols, in upper case, each once.
        previous_session: The exchange's session before `date`.
        hash: sha256 in hex of everything that the view can return of its universe's bars, and of its dates.
        actions: What the universe's companies have done up to this day's open, in the order in which it applies.
    """

    date: dt.date
    universe: tuple[str, ...]
    previous_session: dt.date
    hash: str
    _before: Mapping[str, Lines]
    _opens: Mapping[str, Decimal]
    _seen: defaultdict[str, set[tuple[dt.date, dt.date]]] | None = field(default=None, repr=False)
    actions: tuple[CorporateAction, ...] = ()

    def watched(self) -> "MarketView":
        """Return the same view, remembering from now on what it is asked for; for one session alone."""
        return replace(self, _seen=defaultdict(set))

    def seen(self) -> Spans:
        """Return what a watched view was asked for, spans in order and symbols sorted; nothing if unwatched.

        A span holds every date whose bar, or lack of one, the answers depended on. Of today it is the open.
        """
        spans: defaultdict[tuple[dt.date, dt.date], list[str]] = defaultdict(list)
        for symbol, asked in sorted((self._seen or {}).items()):
            for span in _merged(asked):
                spans[span].append(symbol)
        return dict(sorted(spans.items()))

    def fingerprint(self, spans: Spans) -> str:
        """Return the sha256 in hex of the bars that the view has in these spans; of today, the opens."""
        digest = hashlib.sha256()
        for (first, last), symbols in sorted(spans.items()):
            for symbol in symbols:
                lines = self._before.get(symbol, ())
                digest.update("".join(lines[_before(lines, first) : _through(lines, last)]).encode())
                if first <= self.date <= last and symbol in self._opens:
                    digest.update(canonical(Bar(symbol, self.date, self._opens[symbol])).encode())
        return digest.hexdigest()

    def open(self, symbol: str) -> Decimal | None:
        """Return today's open, at which orders fill; None if the symbol cannot be traded today."""
        ticker = _ticker(symbol)
        self._note(ticker, self.date, self.date)
        return self._opens.get(ticker)

    def bar(self, symbol: str, date: dt.date) -> Bar | None:
        """Return a symbol's bar of a date; for today it holds the open alone.

        Raises:
            LookAheadError: The date is after today.
        """
        self._refuse_future(date)
        ticker = _ticker(symbol)
        self._note(ticker, date, date)
        if date == self.date:
            opened = self._opens.get(ticker)
            return None if opened is None else Bar(ticker, date, opened)
        lines = self._before.get(ticker, ())
        return next(map(bar_of_line, lines[_before(lines, date) : _through(lines, date)]), None)

    def close(self, symbol: str, date: dt.date) -> Decimal | None:
        """Return a symbol's close of a date; None where it is not known, as it never is for today.

        Raises:
            LookAheadError: The date is after today.
        """
        bar = self.bar(symbol, date)
        return None if bar is None else bar.close

    def last_close(self, symbol: str) -> tuple[dt.date, Decimal] | None:
        """Return the newest known close before today with its date."""
        ticker = _ticker(symbol)
        for bar in map(bar_of_line, reversed(self._before.get(ticker, ()))):
            if bar.close is not None:
                self._note(ticker, bar.date, self.date - _DAY)
                return bar.date, bar.close
        self._note(ticker, dt.date.min, self.date - _DAY)
        return None

    def carried(self, symbol: str) -> Decimal | None:
        """Return the newest known close before today, in money per share as the splits since then have made it."""
        newest = self.last_close(symbol)
        return None if newest is None else self.per_share(newest[1], symbol, newest[0], self.date)

    def per_share(self, price: Decimal, symbol: str, of: dt.date, at: dt.date) -> Decimal:
        """Return a price of one day per share as the splits up to another day, before or after, have made it."""
        factor = split_factor(self.actions, _ticker(symbol), min(of, at), max(of, at))
        if factor == 1:
            return price
        exact = Fraction(price) / factor if at > of else Fraction(price) * factor
        return rounded(exact)

    def bars(self, symbol: str, count: int) -> tuple[Bar, ...]:
        """Return the last `count` complete bars before today, oldest first; fewer where there are fewer."""
        ticker = _ticker(symbol)
        newest: list[Bar] = []
        for bar in map(bar_of_line, reversed(self._before.get(ticker, ()))):
            if len(newest) >= count:
                break
            if bar.complete:
                newest.append(bar)
        if count > 0:
            self._note(ticker, newest[-1].date if len(newest) == count else dt.date.min, self.date - _DAY)
        return tuple(reversed(newest))

    def _note(self, ticker: str, first: dt.date, last: dt.date) -> None:
        if self._seen is not None and ticker in self._before:
            self._seen[ticker].add((first, last))

    def _refuse_future(self, date: dt.date) -> None:
        if date > self.date:
            raise LookAheadError(f"It is {self.date}, at the open: nothing after that can be known.")


class PriceHistory:
    """All bars there are, in memory, to cut views from. It does not change.

    Args:
        bars: Bars in any order, at most one of a symbol and date.

    Raises:
        ValueError: A symbol has two bars of one date.
    """

    __slots__ = ("_chains", "_lines", "_sessions")

    def __init__(self, bars: Iterable[Bar]) -> None:
        lines: dict[str, list[str]] = {}
        seen: set[tuple[str, dt.date]] = set()
        for bar in sorted(bars, key=lambda bar: (bar.symbol, bar.date)):
            if (bar.symbol, bar.date) in seen:
                raise ValueError(f"two bars of {bar.symbol} on {bar.date}")
            seen.add((bar.symbol, bar.date))
            lines.setdefault(bar.symbol, []).append(canonical(bar))
        self._keep({symbol: tuple(own) for symbol, own in lines.items()})

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> "PriceHistory":
        """Return the history of what is stored.

        Args:
            texts: Per symbol, sorted, the canonical lines of its bars, each date once and in order.
        """
        history = cls(())
        history._keep({symbol: tuple(text.splitlines(keepends=True)) for symbol, text in texts.items()})
        return history

    def _keep(self, lines: Mapping[str, Lines]) -> None:
        self._lines = lines
        dates = {date_of_line(line) for own in lines.values() for line in own}
        self._sessions = tuple(map(dt.date.fromisoformat, sorted(dates)))
        # Per universe, the digest of its bars up to and including each session: computed once, read often.
        self._chains: dict[frozenset[str], tuple[bytes, ...]] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that has a bar, sorted."""
        return tuple(self._lines)

    @property
    def sessions(self) -> tuple[dt.date, ...]:
        """Every date that has a bar, sorted."""
        return self._sessions

    @property
    def last_session(self) -> dt.date:
        """The newest date that has a bar.

        Raises:
            PriceError: There is no bar at all.
        """
        if not self._sessions:
            raise PriceError("there are no prices yet: load them first (materialise the asset `prices`)")
        return self._sessions[-1]

    def around(self, symbol: str, date: dt.date) -> tuple[Lines, Lines]:
        """A symbol's bars as canonical lines: those before a date, and those of it and after."""
        lines = self._lines.get(symbol, ())
        at = _before(lines, date)
        return lines[:at], lines[at:]

    def cut(self, date: dt.date, universe: Sequence[str], previous_session: dt.date) -> MarketView:
        """Cut the view of one date: the bars before it, and of the date itself the opens.

        Args:
            date: The date whose open is the decision time.
            universe: The symbols that the view shows.
            previous_session: The exchange's session before `date`.

        Returns:
            A view that holds nothing of this history beyond the cut; any number of models can share it.

        Raises:
            ValueError: `previous_session` is not before `date`.
        """
        if previous_session >= date:
            raise ValueError(f"the previous session {previous_session} is not before {date}")
        symbols = tuple(dict.fromkeys(_ticker(symbol) for symbol in universe))
        before: dict[str, Lines] = {}
        opens: dict[str, Decimal] = {}
        for symbol in symbols:
            lines = self._lines.get(symbol, ())
            at = _before(lines, date)
            before[symbol] = lines[:at]
            for line in lines[at : _through(lines, date)]:
                opens[symbol] = bar_of_line(line).open
        digest = self._hash(date, frozenset(symbols), previous_session, opens)
        return MarketView(date, symbols, previous_session, digest, before, opens)

    def _hash(
        self, date: dt.date, universe: frozenset[str], previous: dt.date, opens: Mapping[str, Decimal]
    ) -> str:
        chain = self._chains.get(universe)
        if chain is None:
            chain = self._chains[universe] = self._chain(universe)
        at = bisect_left(self._sessions, date)
        digest = hashlib.sha256(chain[at])
        digest.update(f"{date},{previous}\n".encode())
        for symbol in sorted(opens):
            digest.update(canonical(Bar(symbol, date, opens[symbol])).encode())
        return digest.hexdigest()

    def _chain(self, universe: frozenset[str]) -> tuple[bytes, ...]:
        """Return H_0 .. H_n, H_k being the digest of the first k sessions: H_k = sha256(H_{k-1} + bars of k)."""
        texts: dict[str, list[str]] = {date.isoformat(): [] for date in self._sessions}
        for symbol in sorted(universe):
            for line in self._lines.get(symbol, ()):
                texts[date_of_line(line)].append(line)
        chain = [b""]
        for lines in texts.values():
            # A session without a bar of this universe adds nothing that its views can return.
            text = "".join(lines).encode()
            chain.append(hashlib.sha256(chain[-1] + text).digest() if lines else chain[-1])
        return tuple(chain)


def _before(lines: Lines, date: dt.date) -> int:
    """How many of the bars are of before a date."""
    return bisect_left(lines, date.isoformat(), key=date_of_line)


def _through(lines: Lines, date: dt.date) -> int:
    """How many of the bars are of before a date or of it."""
    return bisect_right(lines, date.isoformat(), key=date_of_line)


def _merged(spans: Iterable[tuple[dt.date, dt.date]]) -> list[tuple[dt.date, dt.date]]:
    """Join spans that overlap or touch."""
    merged: list[tuple[dt.date, dt.date]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + _DAY:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _ticker(symbol: str) -> str:
    return symbol.strip().upper()
