"""Alpha Vantage: daily bars as traded, splits and dividends, a call each per symbol.

Refusals come with HTTP 200. See https://www.alphavantage.co/documentation/.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from aitrader_pipeline.market.actions import ActionIntake, ActionKind
from aitrader_pipeline.market.bars import RawBar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors.contract import Ask, RawAnswer, VendorError, VendorKeyError
from aitrader_pipeline.market.vendors.limits import Allowance
from aitrader_pipeline.market.vendors.line import TooFastError, VendorLine
from aitrader_pipeline.market.vendors.reading import (
    AnswerReader,
    Pairs,
    close_of,
    newest_sessions,
    objects_in,
)
from aitrader_pipeline.vendor_http import Reply

BASE_URL = "https://www.alphavantage.co"
# 25 a day and one a second; the latter is counted strictly.
FREE = Allowance(per_minute=20, per_day=25)

_COMPACT_SESSIONS = 100
_REFUSALS = ("Information", "Note", "Error Message")
_TOO_FAST = re.compile(r"sparingly|per second|per minute", re.IGNORECASE)
_DAY_SPENT = re.compile(r"per day", re.IGNORECASE)
_PAID = re.compile(r"is a premium", re.IGNORECASE)
_NO_KEY = re.compile(r"apikey is invalid|claim your free API key|demo\W* API key", re.IGNORECASE)
_FIELDS = ("1. open", "2. high", "3. low", "4. close", "5. volume")
_FULL_IS_PAID = (
    f"more than the newest {_COMPACT_SESSIONS} sessions (outputsize=full) is a paid feature of Alpha Vantage; "
    "use a paid key and set calls_per_day, or another source for the older sessions"
)


class AlphaVantage:
    """Asks Alpha Vantage."""

    name = "alpha_vantage"
    answers_by: Literal["symbol", "session"] = "symbol"

    def __init__(self, line: VendorLine, calendar_name: str, *, paid: bool) -> None:
        """Keep what a call needs.

        Args:
            line: to the vendor.
            calendar_name: the exchange of the bars.
            paid: whether the key is taken for a paid one, which may ask for all of a series at once.
        """
        self._line = line
        self._calendar = calendar_name
        self._paid = paid
        self._full_refused = False

    def asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """Bars of the newest 100 sessions, then older ones, then splits, then dividends; see `Vendor.asks`."""
        edge = self._edge()
        newest, older = [], []
        for symbol, missing in sorted(gaps.items(), key=lambda gap: (-len(gap[1]), gap[0])):
            recent = [session for session in missing if session >= edge]
            early = [session for session in missing if session < edge]
            if early and (self._paid or not recent):
                older.append(Ask(symbol, min(missing), max(missing)))
            elif missing:
                newest.append(Ask(symbol, min(recent), max(recent)))
                older += [Ask(symbol, min(early), max(early))] if early else []
        return newest + older + self._action_asks(gaps)

    async def fetch(self, ask: Ask) -> RawAnswer:
        """One call; see `Vendor.fetch`."""
        symbol, _, topic = ask.key.partition("@")
        params = {"symbol": symbol, "apikey": self._line.key}
        if topic:
            params["function"] = topic.upper()
        else:
            full = ask.first < self._edge()
            if full and self._full_refused:
                raise VendorError(f"{ask.key}: {_FULL_IS_PAID}")
            params |= {"function": "TIME_SERIES_DAILY", "outputsize": "full" if full else "compact"}

        def read(reply: Reply) -> str:
            return self._read(ask, reply)

        return self._line.answer(ask, await self._line.get(ask, "/query", read, params=params))

    def parse(self, answer: RawAnswer, intake: BarIntake, actions: ActionIntake) -> None:
        """Take an answer in; see `Vendor.parse`."""
        reader = AnswerReader(answer, self._calendar, intake, actions)
        symbol, _, topic = answer.key.partition("@")
        if topic == "splits":
            _read_actions(reader, "split", symbol, "effective_date", "split_factor")
        elif topic:
            _read_actions(reader, "dividend", symbol, "ex_dividend_date", "amount")
        else:
            document = reader.json(with_repeated_keys=True)
            series = document.get("Time Series (Daily)") if isinstance(document, Pairs) else None
            for date, values in series if isinstance(series, Pairs) else ():
                bar = values if isinstance(values, Pairs) else Pairs()
                reader.bar(RawBar(*map(bar.get, _FIELDS)), symbol=symbol, date=date)
            reader.end(symbol)

    def _edge(self) -> dt.date:
        """The first of the sessions that a compact answer holds for sure: the last of them may be under way."""
        return newest_sessions(self._calendar, self._line.clock(), _COMPACT_SESSIONS - 1)[0]

    def _action_asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """Splits and dividends that were not asked for since the newest session closed, the longest ago first."""
        (newest,) = newest_sessions(self._calendar, self._line.clock(), 1)
        closed = close_of(self._calendar, newest)
        due = []
        for rank, topic in enumerate(("splits", "dividends")):
            for symbol, missing in gaps.items():
                key = f"{symbol}@{topic}"
                known = self._line.answers.newest(self.name, key)
                if known is None or known.fetched_at < closed:
                    since = known.fetched_at.timestamp() if known else 0.0
                    due.append((since, rank, Ask(key, min(missing, default=newest), newest)))
        return [ask for *_, ask in sorted(due, key=lambda entry: (*entry[:2], entry[2].key))]

    def _read(self, ask: Ask, reply: Reply) -> str:
        body = reply.object()
        if "Time Series (Daily)" in body or isinstance(body.get("data"), list):
            return reply.text
        refusal = reply.said(*_REFUSALS)
        if _TOO_FAST.search(refusal):
            raise TooFastError(f"{reply.vendor} refuses: {refusal}", reply.wait)
        if _PAID.search(refusal):
            self._full_refused = self._full_refused or "outputsize" in refusal
            raise VendorError(f"{ask.key}: {_FULL_IS_PAID if 'outputsize' in refusal else refusal}")
        if _NO_KEY.search(refusal):
            raise VendorKeyError(f"{reply.vendor} does not take the key: {refusal}")
        if _DAY_SPENT.search(refusal):
            raise self._line.limits.refused("day", refusal)
        raise VendorError(f"{ask.key}: {reply.vendor} refuses: {refusal or 'an empty answer, it has no data'}")


def _read_actions(reader: AnswerReader, kind: ActionKind, symbol: str, date: str, value: str) -> None:
    for entry in objects_in(reader.json(), "data"):
        reader.action(kind, entry.get(value), symbol=symbol, ex_date=entry.get(date))
