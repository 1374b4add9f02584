"""Massive (formerly Polygon): the whole market's bars of a session in one call; splits and dividends in pages.

The key travels in a header, never in an address. See https://massive.com/docs/rest/stocks.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, DecimalException
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from aitrader_pipeline.market.actions import ActionIntake
from aitrader_pipeline.market.bars import RawBar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors.contract import Ask, RawAnswer, VendorError, VendorKeyError
from aitrader_pipeline.market.vendors.limits import Allowance
from aitrader_pipeline.market.vendors.line import VendorLine
from aitrader_pipeline.market.vendors.reading import AnswerReader, newest_sessions, objects_in, whole_shares
from aitrader_pipeline.vendor_http import Reply, VendorCallError

BASE_URL = "https://api.massive.com"
FREE = Allowance(per_minute=5)

_ACTIONS = {"splits": "execution_date", "dividends": "ex_dividend_date"}
_PAGE = 5000
_CURRENCY = "USD"
_NO_SUCH_KEY = 401


class Massive:
    """Asks Massive."""

    name = "massive"
    answers_by: Literal["symbol", "session"] = "session"

    def __init__(self, line: VendorLine, calendar_name: str, symbols: Collection[str] | None) -> None:
        """Keep what a call needs.

        Args:
            line: to the vendor.
            calendar_name: the exchange of the bars.
            symbols: whose bars and actions are taken from an answer, which holds those of the whole market; None
                takes all.
        """
        self._line = line
        self._calendar = calendar_name
        self._symbols = None if symbols is None else frozenset(symbols)
        self._too_old: dt.date | None = None

    def asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """One call per missing session, of equals the newest first; then splits, dividends; see `Vendor.asks`."""
        missing = Counter(session for sessions in gaps.values() for session in sessions)
        by_size = sorted(missing, key=lambda session: (-missing[session], -session.toordinal()))
        return [Ask(session.isoformat(), session, session) for session in by_size] + self._action_asks(missing)

    async def fetch(self, ask: Ask) -> RawAnswer:
        """One call, or for actions one per page; see `Vendor.fetch`."""
        if ask.key in _ACTIONS:
            return self._line.answer(ask, await self._pages(ask))
        if self._too_old is not None and ask.first <= self._too_old:
            raise VendorError(f"{ask.key}: the key's plan does not reach back to {self._too_old}")
        path = f"/v2/aggs/grouped/locale/us/market/stocks/{ask.key}"
        return self._line.answer(ask, await self._get(ask, path, {"adjusted": "false", "include_otc": "false"}))

    def parse(self, answer: RawAnswer, intake: BarIntake, actions: ActionIntake) -> None:
        """Take an answer in; see `Vendor.parse`."""
        reader = AnswerReader(answer, self._calendar, intake, actions)
        document = reader.json()
        if answer.key in _ACTIONS:
            pages = document if isinstance(document, list) else []
            entries = [entry for page in pages for entry in self._wanted(page, "ticker")]
            (_read_splits if answer.key == "splits" else _read_dividends)(reader, entries)
        elif isinstance(document, dict) and document.get("adjusted") is not False:
            reader.refuse("the bars are adjusted for splits, or the answer does not say that they are not")
        else:
            for row in self._wanted(document, "T"):
                bar = RawBar(row.get("o"), row.get("h"), row.get("l"), row.get("c"), whole_shares(row.get("v")))
                reader.bar(bar, symbol=row["T"], date=answer.key)
            reader.end()

    def _action_asks(self, missing: Collection[dt.date]) -> list[Ask]:
        (newest,) = newest_sessions(self._calendar, self._line.clock(), 1)
        asks = []
        for key in _ACTIONS:
            # Each answer begins where the ones before it end, or before they begin: together they have no hole.
            known = list(self._line.answers.all(self.name, key))
            last = max((answer.last for answer in known), default=None)
            wanted = min(missing, default=newest)
            if last is None or last < newest or wanted < min(answer.first for answer in known):
                asks.append(Ask(key, min(wanted, last or newest), newest))
        return asks

    async def _pages(self, ask: Ask) -> str:
        """All pages as one JSON list. Of the address of a next page its cursor alone counts: it names a host."""
        date = _ACTIONS[ask.key]
        path = f"/stocks/v1/{ask.key}"
        params = {
            f"{date}.gte": ask.first.isoformat(),
            f"{date}.lte": ask.last.isoformat(),
            "limit": str(_PAGE),
            "sort": f"{date}.asc",
        }
        pages: list[str] = []
        cursors: set[str] = set()
        while True:
            pages.append(await self._get(ask, path, params))
            cursor = _cursor_of(json.loads(pages[-1]))
            if cursor is None or cursor in cursors:
                return f"[{','.join(pages)}]"
            cursors.add(cursor)
            params = {"cursor": cursor}

    async def _get(self, ask: Ask, path: str, params: Mapping[str, str]) -> str:
        def read(reply: Reply) -> str:
            return self._read(ask, reply)

        headers = {"Authorization": f"Bearer {self._line.key}"}
        return await self._line.get(ask, path, read, params=params, headers=headers)

    def _read(self, ask: Ask, reply: Reply) -> str:
        refusal = reply.said("error", "message")
        if reply.status == _NO_SUCH_KEY:
            raise VendorKeyError(f"{reply.vendor} does not take the key: {refusal or 'no reason given'}")
        if "timeframe" in refusal:
            self._too_old = max(ask.first, self._too_old or ask.first)
        body = reply.object()
        if body.get("status") in ("OK", "DELAYED"):
            return reply.text
        raise VendorCallError(f"{reply.vendor} refuses: {refusal or 'the answer has no status OK'}")

    def _wanted(self, document: object, ticker: str) -> list[Mapping[str, Any]]:
        """The results of the wanted symbols. Other share classes have small letters: BACpK is no BACPK."""
        return [
            row
            for row in objects_in(document, "results")
            if isinstance(symbol := row.get(ticker), str)
            and (symbol.isupper() if self._symbols is None else symbol in self._symbols)
        ]


def _read_splits(reader: AnswerReader, entries: Sequence[Mapping[str, Any]]) -> None:
    for entry in entries:
        symbol, date = entry["ticker"], entry.get("execution_date")
        try:
            ratio = Decimal(str(entry.get("split_to"))) / Decimal(str(entry.get("split_from")))
        except DecimalException:
            reader.refuse_action("split_to and split_from are no ratio", symbol=symbol, ex_date=date)
            continue
        reader.action("split", ratio, symbol=symbol, ex_date=date)


def _read_dividends(reader: AnswerReader, entries: Sequence[Mapping[str, Any]]) -> None:
    """Two dividends of a day are two, unless they agree in all but their id: the vendor lists some twice."""
    told = set()
    for entry in entries:
        symbol, date = entry["ticker"], entry.get("ex_dividend_date")
        currency = entry.get("currency", _CURRENCY)
        fields = ("cash_amount", "pay_date", "record_date", "declaration_date", "distribution_type")
        identity = (symbol, date, *(str(entry.get(field)) for field in fields))
        if currency != _CURRENCY:
            reader.refuse_action(f"paid in {currency}, not in {_CURRENCY}", symbol=symbol, ex_date=date)
        elif identity in told:
            reader.refuse_action("the same dividend is listed twice", symbol=symbol, ex_date=date)
        else:
            told.add(identity)
            reader.action("dividend", entry.get("cash_amount"), symbol=symbol, ex_date=date)


def _cursor_of(page: Mapping[str, Any]) -> str | None:
    url = page.get("next_url")
    cursors = parse_qs(urlsplit(url).query).get("cursor") if isinstance(url, str) else None
    return cursors[0] if cursors else None
