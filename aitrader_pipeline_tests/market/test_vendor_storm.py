"""A hundred and one symbols from vendors that fail in every way: what is good is kept, and nothing is lost."""

import asyncio
import datetime as dt
import gzip
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from aitrader_pipeline.market.vendors import Ask, VendorError
from aitrader_pipeline_tests.price_vendors import (
    KEY,
    NOW,
    SESSIONS,
    SOURCES,
    SYMBOLS,
    Desk,
    PriceVendors,
    price_vendors,
)
from aitrader_pipeline_tests.vendor_server import Answer

BY_SYMBOL = ("alpha_vantage", "tiingo", "yfinance")
GAPS = dict.fromkeys(SYMBOLS, SESSIONS)
AT_ONCE = {"retry-after": "0"}
ECHO = f"Your key {KEY} or pr1ce%2BK3Y%2f0123456789 or pr1ce+K3Y\\/0123456789 is {{}}"
# What is left of a key that is cut up or written otherwise.
TRACES = ("pr1ce", "0123456789")


@pytest.fixture
def market() -> Iterator[PriceVendors]:
    with price_vendors() as running:
        running.bars = {
            symbol: dict.fromkeys(SESSIONS, (10.0 + number, 12.0 + number, 9.0, 11.0 + number, 100))
            for number, symbol in enumerate(SYMBOLS)
        }
        yield running


def _assert_key_is_nowhere(folder: Path, *texts: str) -> None:
    kept = [gzip.decompress(path.read_bytes()).decode() for path in folder.rglob("*.gz")]
    plain = [path.read_text() for path in folder.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert kept
    found = [text for text in (*kept, *plain, *map(str, folder.rglob("*")), *texts) if _leaks(text)]
    assert found == []


def _leaks(text: str) -> bool:
    return any(trace in text for trace in TRACES)


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("source", BY_SYMBOL)
def test_a_storm_over_101_symbols_loses_only_what_the_vendor_never_gave(
    market: PriceVendors, tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    # Yahoo has no key to repeat.
    echo = "" if source == "yfinance" else ECHO
    busy, html, truncated, cut, silent, echoing, refused, empty, negative, doubled = SYMBOLS[:10]
    failing = {html, truncated, refused}
    market.fault(busy, Answer(503, echo.format("busy"), AT_ONCE), Answer(502, ""))
    market.fault(html, *[Answer(200, f"<html>{echo}</html>")] * 3)
    market.fault(truncated, *[Answer(200, '[{"date": "2025-')] * 3)
    market.fault(cut, Answer(200, "[1, 2, 3]", cut=True))
    market.fault(silent, Answer(500, ""), Answer(408, ""))
    market.fault(echoing, Answer(429, {"detail": echo.format("too fast"), "message": echo}, AT_ONCE))
    market.fault(refused, Answer(400, {"detail": echo.format("no good")}))
    market.bars[empty] = {}
    market.bars[negative][SESSIONS[0]] = (-1.0, 12.0, 9.0, 11.0, 100)
    market.bars[doubled][dt.date(2025, 10, 25)] = (1.0, 1.0, 1.0, 1.0, 1)
    desk = Desk(market, tmp_path, source)
    fetched = asyncio.run(desk.fetch({**GAPS, doubled: [dt.date(2025, 10, 25), *SESSIONS]}))
    assert (set(fetched.failed), fetched.limit) == (failing, None)

    prices, _ = desk.read()
    expected = {(symbol, session) for symbol in SYMBOLS for session in SESSIONS if symbol not in failing | {empty}}
    assert {(bar.symbol, bar.date) for bar in prices.bars} == expected - {(negative, SESSIONS[0])}
    assert {(told.symbol, told.date) for told in prices.rejected} == {
        (empty, ""),
        (negative, "2025-10-27"),
        (doubled, "2025-10-25"),
    }
    logs = [logging.Formatter().format(record) for record in caplog.records]
    errors = [text for error in fetched.failed.values() for text in _chain(error)]
    assert len(logs) > len(SYMBOLS)
    _assert_key_is_nowhere(tmp_path, *logs, *errors, *map(str, prices.rejected))
    market.faults.clear()
    again = asyncio.run(desk.fetch(dict.fromkeys(failing, SESSIONS)))
    assert again.failed == {}
    assert len(desk.read()[0].bars) == len(prices.bars) + len(failing) * len(SESSIONS)


def test_a_storm_over_the_sessions_of_the_whole_market_loses_only_what_the_vendor_never_gave(
    market: PriceVendors, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second, third, fourth = (session.isoformat() for session in SESSIONS)
    market.fault(first, Answer(503, ECHO, AT_ONCE), Answer(200, "[1]", cut=True))
    market.fault(second, *[Answer(200, f"<html>{ECHO}")] * 3)
    market.fault(third, Answer(200, {"status": "ERROR", "error": ECHO}))
    market.fault("splits", Answer(429, "", AT_ONCE), Answer(500, ECHO))
    market.fault("dividends", Answer(200, {"status": "OK", "results": [], "next_url": f"https://x/?apiKey={KEY}"}))
    market.bars[SYMBOLS[0]][SESSIONS[3]] = (1.0, -1.0, 9.0, 11.0, 100)
    del market.bars[SYMBOLS[1]]
    desk = Desk(market, tmp_path, "massive", symbols=SYMBOLS)
    fetched = asyncio.run(desk.fetch(GAPS))
    assert set(fetched.failed) == {second, third}
    assert set(fetched.keys) == {first, fourth, "splits", "dividends"}
    prices, _ = desk.read()
    assert len(prices.bars) == 100 + 99
    assert [(told.symbol, told.date) for told in prices.rejected] == [(SYMBOLS[0], fourth)]
    logs = [logging.Formatter().format(record) for record in caplog.records]
    errors = [text for error in fetched.failed.values() for text in _chain(error)]
    _assert_key_is_nowhere(tmp_path, *logs, *errors)


@pytest.mark.parametrize("source", BY_SYMBOL)
def test_a_limit_in_the_middle_of_101_symbols_loses_nothing(
    market: PriceVendors, tmp_path: Path, source: str
) -> None:
    desk = Desk(market, tmp_path, source, settings={"calls_per_minute": 1_000_000, "calls_per_day": 40})
    missing = dict(GAPS)
    for day in range(3):
        desk.now = NOW + dt.timedelta(days=day)
        fetched = asyncio.run(desk.fetch(missing))
        assert fetched.failed == {}
        if day < 2:
            assert "its 40 calls of the day are spent" in str(fetched.limit)
            # Another process on the same day asks nothing.
            assert asyncio.run(desk.fetch(missing)).keys == []
        for key in fetched.keys:
            missing.pop(key.partition("@")[0], None)
    assert missing == {}
    prices, _ = desk.read()
    assert len(prices.bars) == len(SYMBOLS) * len(SESSIONS)
    series = [
        asked for asked in market.asked if asked.body.get("function", "TIME_SERIES_DAILY") == "TIME_SERIES_DAILY"
    ]
    assert len(series) == len(SYMBOLS)


@pytest.mark.parametrize("source", SOURCES)
def test_a_vendor_that_cannot_be_reached_is_told_without_its_address(tmp_path: Path, source: str) -> None:
    with price_vendors() as gone:
        pass
    desk = Desk(gone, tmp_path, source)
    with pytest.raises(VendorError, match="cannot be reached: ConnectError") as raised:
        asyncio.run(desk.open().fetch(Ask("2025-10-30", SESSIONS[3], SESSIONS[3])))
    assert not any(map(_leaks, _chain(raised.value)))
