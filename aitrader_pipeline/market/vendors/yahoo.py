"""Yahoo's chart of a symbol, by the library yfinance: bars, splits and dividends in one call.

Its prices, volumes and dividends are adjusted for splits; the splits that it reports itself make them raw again.
"""

import asyncio
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, DecimalException
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aitrader_pipeline.market.actions import ActionIntake
from aitrader_pipeline.market.bars import RawBar, as_text
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors.contract import Ask, RawAnswer, VendorError
from aitrader_pipeline.market.vendors.limits import Allowance
from aitrader_pipeline.market.vendors.line import VendorLine
from aitrader_pipeline.market.vendors.reading import AnswerReader
from aitrader_pipeline.market.vendors.tiingo import asks_by_symbol
from aitrader_pipeline.vendor_http import Reply, Response, Send, VendorCallError

BASE_URL = "https://query2.finance.yahoo.com"
# Yahoo states no limit; this is what it bears.
FREE = Allowance(per_minute=30)

_PRICES = ("open", "high", "low", "close")
# Prices are single-precision floats: what stands behind the seventh digit is noise.
_DIGITS = Context(prec=7)


class Yahoo:
    """Asks Yahoo."""

    name = "yfinance"
    answers_by: Literal["symbol", "session"] = "symbol"

    def __init__(self, line: VendorLine, calendar_name: str, send: Send | None) -> None:
        """Keep what a call needs.

        Args:
            line: to the vendor.
            calendar_name: the exchange of the bars.
            send: makes a call; None for an HTTP client of our own, which Yahoo itself turns away.
        """
        self._line = line
        self._calendar = calendar_name
        self._send = send

    def asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """One call per symbol; see `Vendor.asks`."""
        return asks_by_symbol(gaps)

    async def fetch(self, ask: Ask) -> RawAnswer:
        """One call, to the present day: a later split has changed all earlier prices; see `Vendor.fetch`."""

        def read(reply: Reply) -> str:
            return _read(ask, reply)

        end = self._line.clock().date() + dt.timedelta(days=1)
        params = {
            "period1": str(_seconds(ask.first)),
            "period2": str(_seconds(end)),
            "interval": "1d",
            "events": "div,splits",
            "includePrePost": "false",
        }
        path = f"/v8/finance/chart/{ask.key.replace('.', '-')}"
        return self._line.answer(ask, await self._line.get(ask, path, read, params=params, send=self._send))

    def parse(self, answer: RawAnswer, intake: BarIntake, actions: ActionIntake) -> None:
        """Take an answer in; see `Vendor.parse`."""
        reader = AnswerReader(answer, self._calendar, intake, actions)
        chart = _chart_of(reader.json())
        zone = _zone_of(chart)
        if zone is None:
            reader.refuse("the answer is no chart with a time zone", symbol=answer.key)
            return
        splits = _read_splits(reader, _events(chart, "splits"), zone)
        if splits is None:
            reader.refuse("a split without a ratio: no price can be made raw", symbol=answer.key)
            return
        for event in _events(chart, "dividends"):
            date = _date(event.get("date"), zone)
            amount = _raw(event.get("amount"), _later(splits, date))
            reader.action("dividend", amount, symbol=answer.key, ex_date=date)
        columns = _columns(chart)
        for number, moment in enumerate(chart.get("timestamp") or ()):
            date = _date(moment, zone)
            ratio = _later(splits, date)
            values = {name: column[number] if number < len(column) else None for name, column in columns.items()}
            prices = {name: _raw(values[name], ratio) for name in _PRICES}
            bar = RawBar(**prices, volume=_raw_volume(values["volume"], ratio))
            reader.bar(bar, symbol=answer.key, date=date)
        reader.end(answer.key)


def browser_like() -> Send:
    """The calls of yfinance, which look like a browser's.

    Raises:
        VendorError: yfinance is not installed.
    """
    try:
        from yfinance.data import YfData
        from yfinance.exceptions import YFException, YFRateLimitError
    except ImportError:
        raise VendorError(
            "the source yfinance needs the extra `yahoo`: run `uv sync --extra yahoo`, "
            "or `pip install 'aitrader-pipeline[yahoo]'`"
        ) from None
    get: Callable[..., Response] = YfData().get

    async def send(*, method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        del method, headers
        try:
            return await asyncio.to_thread(get, url=url, params=dict(params), timeout=30)
        except YFRateLimitError:
            failed = VendorCallError("yfinance: Yahoo wants fewer calls", status=429)
        except (YFException, OSError) as error:
            failed = VendorCallError(f"yfinance cannot reach Yahoo: {type(error).__name__}", passes=True)
        raise failed

    return send


def _read(ask: Ask, reply: Reply) -> str:
    chart = reply.parsed.get("chart") if isinstance(reply.parsed, dict) else None
    error = chart.get("error") if isinstance(chart, dict) else None
    if isinstance(error, dict):
        raise VendorError(f"{ask.key}: {reply.vendor} refuses: {as_text(error.get('description'))[:300]}")
    reply.object()
    return reply.text


def _seconds(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())


def _chart_of(document: object) -> Mapping[str, Any]:
    chart = document.get("chart") if isinstance(document, dict) else None
    results = chart.get("result") if isinstance(chart, dict) else None
    return results[0] if isinstance(results, list) and results and isinstance(results[0], dict) else {}


def _zone_of(chart: Mapping[str, Any]) -> ZoneInfo | None:
    meta = chart.get("meta")
    try:
        return ZoneInfo(meta["exchangeTimezoneName"]) if isinstance(meta, dict) else None
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError):
        return None


def _events(chart: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    events = chart.get("events")
    named = events.get(name) if isinstance(events, dict) else None
    return [event for event in named.values() if isinstance(event, dict)] if isinstance(named, dict) else []


def _columns(chart: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]:
    indicators = chart.get("indicators")
    quotes = indicators.get("quote") if isinstance(indicators, dict) else None
    quote = quotes[0] if isinstance(quotes, list) and quotes and isinstance(quotes[0], dict) else {}
    return {name: quote.get(name) or [] for name in (*_PRICES, "volume")}


def _date(moment: object, zone: ZoneInfo) -> str:
    """The day of a moment at the exchange, as YYYY-MM-DD; what is no moment as it is, for the refusal."""
    try:
        return dt.datetime.fromtimestamp(float(as_text(moment)), zone).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return as_text(moment)


def _read_splits(
    reader: AnswerReader, events: Sequence[Mapping[str, Any]], zone: ZoneInfo
) -> list[tuple[str, Decimal]] | None:
    splits = []
    for event in events:
        date = _date(event.get("date"), zone)
        try:
            ratio = Decimal(as_text(event.get("numerator"))) / Decimal(as_text(event.get("denominator")))
        except DecimalException:
            return None
        if ratio <= 0:
            return None
        reader.action("split", ratio, symbol=reader.answer.key, ex_date=date)
        splits.append((date, ratio))
    return splits


def _later(splits: Sequence[tuple[str, Decimal]], date: str) -> Decimal:
    """Shares today per share of a day: the product of the splits after it."""
    return math.prod((ratio for day, ratio in splits if day > date), start=Decimal(1))


def _raw(adjusted: object, ratio: Decimal) -> object:
    """A price as traded: adjusted times ratio; what is no number as it is, for the refusal."""
    try:
        return format(_DIGITS.multiply(Decimal(as_text(adjusted)), ratio), "f")
    except DecimalException:
        return adjusted


def _raw_volume(adjusted: object, ratio: Decimal) -> object:
    """Shares as traded: adjusted by ratio, whole; what is no number as it is."""
    try:
        return format((Decimal(as_text(adjusted)) / ratio).to_integral_value(), "f")
    except DecimalException:
        return adjusted
