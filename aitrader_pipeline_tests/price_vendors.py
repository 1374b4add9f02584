"""The vendors of daily bars on one real socket, answering as they document, and the arena's side of a fetch."""

import datetime as dt
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aitrader_pipeline.config_market import SourceConfig
from aitrader_pipeline.market.actions import ActionBatch, ActionIntake
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors import (
    RawAnswers,
    Vendor,
    VendorError,
    VendorLimitError,
    open_vendor,
)
from aitrader_pipeline_tests.vendor_server import Answer, Asked, vendor_server

# A plus and a slash look different in an address.
KEY = "pr1ce+K3Y/0123456789"
ENVIRON = {"ALPHAADVANTAGE_API_KEY": KEY, "TIINGO_API_KEY": KEY, "MASSIVE_API_KEY": KEY}
SOURCES = ("alpha_vantage", "tiingo", "massive", "yfinance")
# Friday before the open; the newest session that is over is Thursday's.
NOW = dt.datetime(2025, 10, 31, 12, 0, tzinfo=dt.UTC)
SESSIONS = [dt.date(2025, 10, day) for day in (27, 28, 29, 30)]
SYMBOLS = tuple(
    json.loads((Path(__file__).parents[1] / "configs" / "nasdaq100_symbols.json").read_text(encoding="utf-8"))
)
NEW_YORK = ZoneInfo("America/New_York")

Bar = tuple[float, float, float, float, float]


@dataclass
class PriceVendors:
    """What the vendors have, raw as traded, what they answer instead next, and what they were asked.

    Faults wait under what is asked for: a symbol, a session, ``splits``, ``dividends``, ``AAPL@splits``.
    """

    url: str = ""
    bars: dict[str, dict[dt.date, Bar]] = field(default_factory=dict)
    splits: dict[str, list[tuple[dt.date, float, float]]] = field(default_factory=dict)
    dividends: dict[str, list[tuple[dt.date, float]]] = field(default_factory=dict)
    faults: dict[str, deque[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    page: int = 5000

    def fault(self, subject: str, *answers: Answer) -> None:
        self.faults.setdefault(subject, deque()).extend(answers)

    def answer(self, asked: Asked) -> Answer:
        room = asked.path.strip("/").split("/")[0]
        answerers = {"query": self._alpha_vantage, "tiingo": self._tiingo, "v8": self._yahoo}
        return answerers.get(room, self._massive)(asked)

    def _instead(self, subject: str) -> Answer | None:
        queue = self.faults.get(subject)
        return queue.popleft() if queue else None

    def _alpha_vantage(self, asked: Asked) -> Answer:
        symbol, function = asked.body["symbol"], asked.body["function"]
        topic = {"SPLITS": "@splits", "DIVIDENDS": "@dividends"}.get(function, "")
        if asked.body.get("apikey") != KEY:
            return Answer(body={"Error Message": "the parameter apikey is invalid or missing. Please claim one."})
        if instead := self._instead(symbol + topic):
            return instead
        if topic == "@splits":
            data = [
                {"effective_date": str(date), "split_factor": f"{to / of:.4f}"}
                for date, to, of in self.splits.get(symbol, [])
            ]
            return Answer(body={"symbol": symbol, "data": data})
        if topic:
            data = [
                {"ex_dividend_date": str(date), "declaration_date": "None", "amount": str(amount)}
                for date, amount in self.dividends.get(symbol, [])
            ]
            return Answer(body={"symbol": symbol, "data": data})
        if symbol not in self.bars:
            return Answer(
                body={"Error Message": "Invalid API call. Please retry or visit the docs for TIME_SERIES_DAILY."}
            )
        names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
        series = {
            str(date): dict(zip(names, [*(f"{price:.4f}" for price in bar[:4]), f"{bar[4]:.0f}"], strict=True))
            for date, bar in reversed(self.bars[symbol].items())
        }
        meta = {"1. Information": "Daily Prices", "2. Symbol": symbol, "5. Time Zone": "US/Eastern"}
        return Answer(body={"Meta Data": meta, "Time Series (Daily)": series})

    def _tiingo(self, asked: Asked) -> Answer:
        symbol = asked.path.split("/")[3].replace("-", ".")
        if asked.headers.get("authorization") != f"Token {KEY}":
            return Answer(401, {"detail": "Invalid token."})
        if instead := self._instead(symbol):
            return instead
        if symbol not in self.bars:
            return Answer(404, {"detail": "Not found."})
        splits = {date: to / of for date, to, of in self.splits.get(symbol, [])}
        dividends = dict(self.dividends.get(symbol, []))
        first, last = (dt.date.fromisoformat(asked.body[name]) for name in ("startDate", "endDate"))
        rows = [
            {
                "date": f"{date}T00:00:00.000Z",
                **dict(zip(("open", "high", "low", "close", "volume"), bar, strict=True)),
                **dict.fromkeys(("adjOpen", "adjHigh", "adjLow", "adjClose", "adjVolume"), 1.0),
                "divCash": dividends.get(date, 0.0),
                "splitFactor": splits.get(date, 1.0),
            }
            for date, bar in self.bars[symbol].items()
            if first <= date <= last
        ]
        return Answer(body=rows)

    def _massive(self, asked: Asked) -> Answer:
        subject = asked.path.rsplit("/", 1)[-1]
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"status": "ERROR", "request_id": "1", "error": "Unknown API Key"})
        if instead := self._instead(subject):
            return instead
        if subject in ("splits", "dividends"):
            return self._massive_actions(subject, asked.body)
        results = [
            {"T": symbol, "v": bar[4], "o": bar[0], "c": bar[3], "h": bar[1], "l": bar[2], "t": 0, "n": 5}
            for symbol, bars in self.bars.items()
            if (bar := bars.get(dt.date.fromisoformat(subject)))
        ]
        counts = {"queryCount": len(results), "resultsCount": len(results), "adjusted": False}
        return Answer(body={**counts, "results": results, "status": "OK", "request_id": "1"})

    def _massive_actions(self, subject: str, parameters: Mapping[str, Any]) -> Answer:
        splits = [
            {"ticker": symbol, "execution_date": str(date), "split_from": of, "split_to": to}
            for symbol, events in self.splits.items()
            for date, to, of in events
        ]
        dividends = [
            {"ticker": symbol, "ex_dividend_date": str(date), "cash_amount": amount, "currency": "USD", "id": "E1"}
            for symbol, events in self.dividends.items()
            for date, amount in events
        ]
        entries = splits if subject == "splits" else dividends
        begin = int(parameters.get("cursor", 0))
        # The address of another host: the arena has to stay with the one of its config.
        more = {"next_url": f"https://elsewhere.invalid/stocks/v1/{subject}?cursor={begin + self.page}"}
        rest = more if begin + self.page < len(entries) else {}
        return Answer(body={"status": "OK", "results": entries[begin : begin + self.page], **rest})

    def _yahoo(self, asked: Asked) -> Answer:
        symbol = asked.path.rsplit("/", 1)[-1].replace("-", ".")
        if instead := self._instead(symbol):
            return instead
        if symbol not in self.bars:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return Answer(404, {"chart": {"result": None, "error": error}})
        first, end = (int(asked.body[name]) for name in ("period1", "period2"))
        dates = [date for date in self.bars[symbol] if first <= _opened(date) < end]
        splits = [split for split in self.splits.get(symbol, []) if first <= _opened(split[0]) < end]
        columns: dict[str, list[float]] = {name: [] for name in ("open", "high", "low", "close", "volume")}
        for date in dates:
            ratio = _ratio_after(splits, date)
            *prices, volume = self.bars[symbol][date]
            adjusted = [_single(price / ratio) for price in prices]
            for name, value in zip(columns, [*adjusted, round(volume * ratio)], strict=True):
                columns[name].append(value)
        events = {
            "splits": {
                str(_opened(date)): {"date": _opened(date), "numerator": to, "denominator": of}
                for date, to, of in splits
            },
            "dividends": {
                str(_opened(date)): {"date": _opened(date), "amount": _single(amount / _ratio_after(splits, date))}
                for date, amount in self.dividends.get(symbol, [])
            },
        }
        result = {
            "meta": {"currency": "USD", "symbol": symbol, "exchangeTimezoneName": "America/New_York"},
            "timestamp": [_opened(date) for date in dates],
            "events": events,
            "indicators": {"quote": [columns], "adjclose": [{"adjclose": columns["close"]}]},
        }
        return Answer(body={"chart": {"result": [result], "error": None}})


def _opened(date: dt.date) -> int:
    return int(dt.datetime.combine(date, dt.time(9, 30), NEW_YORK).timestamp())


def _ratio_after(splits: Sequence[tuple[dt.date, float, float]], date: dt.date) -> float:
    ratio = 1.0
    for day, to, of in splits:
        ratio *= to / of if day > date else 1.0
    return ratio


def _single(price: float) -> float:
    """A price with the noise of single precision, as Yahoo sends it."""
    return price * (1 + 3e-8)


@contextmanager
def price_vendors() -> Iterator[PriceVendors]:
    vendors = PriceVendors()
    with vendor_server(vendors.answer, vendors.asked) as vendors.url:
        yield vendors


def with_actions(vendors: PriceVendors) -> PriceVendors:
    """A share that splits 4:1 on Wednesday and pays on Tuesday and Thursday; another that does nothing."""
    monday, tuesday, wednesday, thursday = SESSIONS
    vendors.bars = {
        "AAPL": {
            monday: (800.5, 812.25, 796.0, 808.0, 1000),
            tuesday: (808.0, 820.0, 804.0, 816.0, 1100),
            wednesday: (204.5, 206.0, 203.0, 205.01, 4400),
            thursday: (205.0, 207.0, 204.0, 206.5, 4500),
        },
        "BRK.B": dict.fromkeys(SESSIONS, (10.0, 11.0, 9.0, 10.5, 70)),
    }
    vendors.splits = {"AAPL": [(wednesday, 4.0, 1.0)]}
    vendors.dividends = {"AAPL": [(tuesday, 1.04), (thursday, 0.26)]}
    return vendors


def gaps(*symbols: str, missing: Sequence[dt.date] = SESSIONS) -> dict[str, Sequence[dt.date]]:
    return dict.fromkeys(symbols, missing)


@dataclass
class Desk:
    """The arena's side: a vendor, its raw answers in a folder, and what a clock says."""

    vendors: PriceVendors
    folder: Path
    source: str
    now: dt.datetime = NOW
    symbols: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(
        default_factory=lambda: {"calls_per_minute": 1_000_000, "calls_per_day": 1_000_000}
    )
    environ: Mapping[str, str] = field(default_factory=lambda: ENVIRON)

    @property
    def answers(self) -> RawAnswers:
        return RawAnswers(self.folder)

    def open(self) -> Vendor:
        config = SourceConfig.model_validate(
            {"source": self.source, "base_url": self.vendors.url, **self.settings}
        )
        return open_vendor(
            config,
            self.environ,
            "XNAS",
            self.answers,
            symbols=self.symbols,
            clock=lambda: self.now,
            first_wait_seconds=0.001,
        )

    async def fetch(self, missing: Mapping[str, Sequence[dt.date]]) -> "Fetched":
        """Ask for what is missing, until the vendor's limit."""
        vendor = self.open()
        fetched = Fetched()
        for ask in vendor.asks(missing):
            try:
                self.answers.save(await vendor.fetch(ask))
            except VendorLimitError as error:
                fetched.limit = error
                break
            except VendorError as error:
                fetched.failed[ask.key] = error
            else:
                fetched.keys.append(ask.key)
        return fetched

    def read(self) -> tuple[PriceBatch, ActionBatch]:
        """Everything that was ever answered, read anew."""
        vendor = self.open()
        bars, actions = BarIntake("XNAS"), ActionIntake()
        for answer in self.answers.all(self.source):
            vendor.parse(answer, bars, actions)
        return bars.batch(self.source), actions.batch(self.source)


@dataclass
class Fetched:
    """What became of the asks."""

    keys: list[str] = field(default_factory=list)
    failed: dict[str, VendorError] = field(default_factory=dict)
    limit: VendorLimitError | None = None
