"""The leak audit: whether a finished session's transcript holds anything of after its open.

What the model was *told* (prompt, requests, tool answers) can hold nothing of the kind by construction; it is
looked through all the same. What the model *said* is told apart: one that quotes next week's close knows it from
its training. Whatever stood in the transcript before, from whichever side, is only repeated and counts once.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from aitrader_pipeline.market.bars import date_of_line
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.trading.record import Action, Message, SessionRecord
from aitrader_pipeline.trading.search.gate import Published, read_date
from aitrader_pipeline.trading.written_dates import dates_in, dates_of_address

Source = Literal["told", "said"]
Kind = Literal["later_date", "price_of_the_day", "later_price"]

_SESSIONS_AHEAD = 5
_SEARCH = "get_information"
_TEXT_AROUND = 60
_TICKER = re.compile(r"(?<![A-Za-z0-9.])\^?[A-Z][A-Z0-9]*(?:[.=_-][A-Z][A-Z0-9]*)*(?![A-Za-z])")
# A price has no sign, is no share of anything, and is part of no date, time or version. A whole amount such as
# 255.00 is what people round to and is evidence of nothing.
_PRICE = re.compile(
    r"(?<![\d.:])(?<!\D[-+])(?P<whole>(?<!-)[1-9]\d{0,2}(?:,\d{3})+|\d+)\.(?!0+(?!\d))(?P<decimals>\d{2,6})"
    r"(?!\d|[.:]\d|\s?%)",
    re.ASCII,
)


@dataclass(frozen=True)
class Leak:
    """Something in a transcript that could not be known at the session's open.

    Attributes:
        step_number: the message, counted from 1 as in ``reasoning_logs``.
        source: whether the model was told it or said it.
        kind: a date after the session; its own day's high, low or close; a price of a later session.
        symbol: whose price; None for a date.
        value: as it is written.
        of_date: the session of the price, or the date.
        text: what stands around it.
    """

    step_number: int
    source: Source
    kind: Kind
    symbol: str | None
    value: str
    of_date: dt.date
    text: str


@dataclass(frozen=True)
class _Quoted:
    """A number that may be a price, as the table of bars writes it, and the symbol that it is said of."""

    number: str
    symbol: str | None
    value: str
    text: str


class LeakAudit:
    """Looks through transcripts with the bars that came after them.

    A number is a leak where it is exactly the open, high, low or close of one of the next five sessions of the
    symbol that it is said of, or today's high, low or close; and neither a price of it that the session could see
    (any bar before, today's open) nor a figure of the ledger. It is said of the symbol that its line names before
    it, else after it, and in a tool's answer or the model's words of the newest one named in a line above.

    Args:
        history: all bars there are.
        open_at: the moment at which a session opens.
    """

    def __init__(self, history: PriceHistory, open_at: Callable[[dt.date], dt.datetime]) -> None:
        self._history = history
        self._open_at = open_at
        self._symbols = frozenset(history.symbols)
        self._ahead: dict[tuple[str, dt.date], str] = {}

    def leaks(self, record: SessionRecord) -> list[Leak]:
        """Everything that is found, in the transcript's order; what the model says of later dates is no leak."""
        figures = _figures(record)
        dates: set[dt.date] = set()
        found: list[Leak] = []
        for step, message in enumerate(record.messages, start=1):
            told = message.role != "assistant"
            # A page within a JSON text has its line breaks escaped.
            text = message.content.replace("\\n", "\n") if message.role == "tool" else message.content
            mentioned = {date: where for date, *where in self._dates(message, text, record.date)}
            found += [
                Leak(step, "told", "later_date", None, value, date, around)
                for date, (value, around) in mentioned.items()
                if told and date not in dates
            ]
            dates |= mentioned.keys()
            quoted = list(self._quoted(text, carries=message.role in ("assistant", "tool")))
            found += [
                leak
                for quote in {(q.number, q.symbol): q for q in quoted}.values()
                if quote.number not in figures
                and (leak := self._leak(quote, step, "told" if told else "said", record.date))
            ]
            figures |= {quote.number for quote in quoted}
            if message.tool_calls:
                # What a model asks with is no claim of its own; a tool that repeats it tells nothing.
                asked = json.dumps([call.arguments for call in message.tool_calls])
                dates |= {date for date, _, _ in dates_in(asked, after=record.date)}
                figures |= {quote.number for quote in self._quoted(asked, carries=False)}
        return found

    def _dates(self, message: Message, text: str, session: dt.date) -> Iterator[tuple[dt.date, str, str]]:
        """Dates after the session with the text around them.

        What is searched for has the dates of its publication; its text may well tell of what is planned.
        """
        results = _search_results(message)
        if results is None:
            for date, start, end in dates_in(text, after=session):
                yield date, text[start:end], _around(text, start, end)
            return
        for result in results:
            published, page = read_date(result.get("published")), str(result.get("page", ""))
            if isinstance(published, Published) and (too_new := self._too_new(published, session)):
                yield too_new, published.text, " ".join(page[: 2 * _TEXT_AROUND].split())
            address = " ".join(page.splitlines()[1:3])
            for date, start, end in dates_of_address(address, after=session):
                yield date, address[start:end], address

    def _too_new(self, published: Published, session: dt.date) -> dt.date | None:
        date = dt.date.fromisoformat(published.text[:10])
        is_moment = published.earliest == published.latest
        return date if date > session or (is_moment and published.earliest >= self._open_at(session)) else None

    def _quoted(self, text: str, *, carries: bool) -> Iterator[_Quoted]:
        """Numbers that may be prices, each with the symbol that it is said of.

        Args:
            text: what was said.
            carries: whether a symbol is spoken of in the lines below it, too.
        """
        spoken_of: str | None = None
        for line in text.split("\n"):
            numbers = list(_PRICE.finditer(line))
            if not numbers and not carries:
                continue
            named = [(m.end(), symbol) for m in _TICKER.finditer(line) if (symbol := self._ticker(m[0]))]
            for number in numbers:
                before = [symbol for end, symbol in named if end <= number.start()]
                after = [symbol for end, symbol in named if end > number.end()]
                symbol = before[-1] if before else after[0] if after else spoken_of
                exact = f"{number['whole'].replace(',', '')}.{number['decimals']:0<6}"
                yield _Quoted(exact, symbol, number[0], _around(line, *number.span()))
            if named and carries:
                spoken_of = named[-1][1]

    def _ticker(self, word: str) -> str | None:
        """The symbol that a word is, or the last that it is put together from, such as MSFT of AAPL-MSFT."""
        if word in self._symbols:
            return word
        return next((part for part in reversed(re.split(r"[^A-Z0-9]", word)) if part in self._symbols), None)

    def _leak(self, quote: _Quoted, step: int, source: Source, session: dt.date) -> Leak | None:
        if quote.symbol is None:
            return None
        price = f",{quote.number},"
        if price not in self._ahead_of(quote.symbol, session):
            return None
        before, ahead = self._history.around(quote.symbol, session)
        todays_open = ahead[0].split(",")[2] if date_of_line(ahead[0]) == session.isoformat() else ""
        if quote.number == todays_open or any(price in line for line in before):
            return None
        of = dt.date.fromisoformat(next(date_of_line(line) for line in ahead if price in line))
        kind: Kind = "later_price" if of > session else "price_of_the_day"
        return Leak(step, source, kind, quote.symbol, quote.value, of, quote.text)

    def _ahead_of(self, symbol: str, session: dt.date) -> str:
        """The canonical lines of today's bar and of those of the sessions to come."""
        key = (symbol, session)
        if key not in self._ahead:
            _, ahead = self._history.around(symbol, session)
            has_today = bool(ahead) and date_of_line(ahead[0]) == session.isoformat()
            self._ahead[key] = "".join(ahead[: _SESSIONS_AHEAD + has_today])
        return self._ahead[key]


def _figures(record: SessionRecord) -> set[str]:
    """The ledger's own numbers, as the table of bars writes them."""
    figures = [record.initial_cash, record.start.cash, record.end.cash]
    for action in record.actions:
        figures += [action.cash, *([action.price] if action.price is not None else [])]
        figures += [action.costs] if isinstance(action, Action) else []
    for refusal in record.refusals:
        figures += [detail for detail in refusal.details.values() if not isinstance(detail, int)]
    return {f"{figure:.6f}" for figure in figures}


def _search_results(message: Message) -> list[dict[str, Any]] | None:
    """The results of the arena's own search; None for any other message."""
    if message.tool_name != _SEARCH or message.is_error:
        return None
    try:
        results = json.loads(message.content)["results"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        return None
    return results


def _around(text: str, start: int, end: int) -> str:
    return " ".join(text[max(start - _TEXT_AROUND, 0) : end + _TEXT_AROUND].split())
