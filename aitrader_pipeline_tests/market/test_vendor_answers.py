"""What each vendor answers: bars as traded, splits and dividends, and every way to refuse."""

import asyncio
import datetime as dt
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.config_market import SourceConfig
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.vendors import (
    RawAnswer,
    RawAnswers,
    VendorError,
    VendorKeyError,
    open_vendor,
)
from aitrader_pipeline_tests.price_vendors import (
    ENVIRON,
    NOW,
    SESSIONS,
    SOURCES,
    Desk,
    PriceVendors,
    gaps,
    price_vendors,
    with_actions,
)
from aitrader_pipeline_tests.vendor_server import Answer

MON, TUE, WED, THU = SESSIONS
FRI = dt.date(2025, 10, 31)
AT_ONCE = {"retry-after": "0"}


@pytest.fixture
def vendors() -> Iterator[PriceVendors]:
    with price_vendors() as running:
        yield running


@pytest.fixture
def market(vendors: PriceVendors) -> PriceVendors:
    return with_actions(vendors)


@pytest.mark.parametrize("source", SOURCES)
def test_bars_are_those_that_were_traded(market: PriceVendors, tmp_path: Path, source: str) -> None:
    desk = Desk(market, tmp_path, source)
    fetched = asyncio.run(desk.fetch(gaps("AAPL", "BRK.B")))
    prices, _ = desk.read()
    assert (fetched.failed, fetched.limit, prices.rejected) == ({}, None, ())
    told = {(bar.symbol, bar.date): (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in prices.bars}
    assert told == {
        (symbol, date): (*map(Decimal, map(str, bar[:4])), bar[4])
        for symbol, bars in market.bars.items()
        for date, bar in bars.items()
    }


@pytest.mark.parametrize("source", SOURCES)
def test_splits_and_dividends_are_those_of_their_day(market: PriceVendors, tmp_path: Path, source: str) -> None:
    desk = Desk(market, tmp_path, source)
    asyncio.run(desk.fetch(gaps("AAPL", "BRK.B")))
    _, actions = desk.read()
    assert actions.rejected == ()
    assert actions.actions == (
        CorporateAction("AAPL", TUE, "dividend", Decimal("1.04")),
        CorporateAction("AAPL", WED, "split", Decimal(4)),
        CorporateAction("AAPL", THU, "dividend", Decimal("0.26")),
    )


@pytest.mark.parametrize("source", SOURCES)
def test_a_session_under_way_is_its_open_alone(market: PriceVendors, tmp_path: Path, source: str) -> None:
    market.bars["AAPL"][FRI] = (207.0, 207.5, 206.5, 207.25, 12)
    desk = Desk(market, tmp_path, source, now=NOW + dt.timedelta(hours=4), symbols=("AAPL",))
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU, FRI])))
    prices, _ = desk.read()
    newest = prices.bars[-1]
    assert (newest.date, newest.open, newest.high, newest.close, newest.volume) == (
        FRI,
        Decimal(207),
        None,
        None,
        None,
    )
    assert prices.bars[-2].complete

    after = replace(desk, folder=tmp_path / "later", now=NOW + dt.timedelta(hours=9))
    asyncio.run(after.fetch(gaps("AAPL", missing=[FRI])))
    assert after.read()[0].bars[-1].complete


@pytest.mark.parametrize("source", SOURCES)
def test_a_bar_of_a_session_that_has_not_begun_is_refused(
    market: PriceVendors, tmp_path: Path, source: str
) -> None:
    monday = dt.date(2025, 11, 3)
    market.bars["AAPL"][monday] = (207.0, 207.5, 206.5, 207.25, 12)
    desk = Desk(market, tmp_path / "late", source, now=NOW + dt.timedelta(days=4))
    asyncio.run(desk.fetch(gaps("AAPL", missing=[monday])))
    early = replace(desk, folder=tmp_path / "early")
    for answer in desk.answers.all(source):
        early.answers.save(replace(answer, fetched_at=NOW))
    assert [str(refused).partition("gz: ")[2] for refused in early.read()[0].rejected] == [
        "AAPL 2025-11-03: the session had not begun when the answer came"
    ]


@pytest.mark.parametrize("source", SOURCES)
def test_bad_bars_are_refused_with_the_file_of_the_answer_and_the_rest_is_kept(
    market: PriceVendors, tmp_path: Path, source: str
) -> None:
    market.bars["AAPL"][MON] = (-800.5, 812.25, 796.0, 808.0, 1000)
    market.bars["AAPL"][TUE] = (900.0, 820.0, 804.0, 816.0, 1100)
    market.bars["AAPL"][dt.date(2025, 10, 26)] = (1.0, 1.0, 1.0, 1.0, 1)
    desk = Desk(market, tmp_path, source, symbols=("AAPL",))
    asyncio.run(desk.fetch(gaps("AAPL", missing=[dt.date(2025, 10, 26), *SESSIONS])))
    prices, _ = desk.read()
    assert [bar.date for bar in prices.bars] == [WED, THU]
    assert {(refused.symbol, refused.date) for refused in prices.rejected} == {
        ("AAPL", "2025-10-26"),
        ("AAPL", "2025-10-27"),
        ("AAPL", "2025-10-28"),
    }
    for refused in prices.rejected:
        assert (tmp_path / refused.file).is_file()


@pytest.mark.parametrize("source", SOURCES)
def test_an_answer_without_a_bar_is_told(vendors: PriceVendors, tmp_path: Path, source: str) -> None:
    vendors.bars = {"AAPL": {}}
    desk = Desk(vendors, tmp_path, source)
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    (refused,) = desk.read()[0].rejected
    assert "no bar from 2025-10-30 to 2025-10-30: the vendor has no data" in str(refused)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "fault",
    [
        Answer(503, "", AT_ONCE),
        Answer(429, "Too Many Requests", AT_ONCE),
        Answer(200, "<html>maintenance</html>"),
        Answer(200, '{"chart": {"result"'),
        Answer(200, "[]" * 40, cut=True),
    ],
    ids=["5xx", "429", "HTML", "truncated JSON", "cut connection"],
)
def test_what_passes_is_tried_again(market: PriceVendors, tmp_path: Path, source: str, fault: Answer) -> None:
    subject = THU.isoformat() if source == "massive" else "AAPL"
    market.fault(subject, fault, fault)
    fetched = asyncio.run(Desk(market, tmp_path, source).fetch(gaps("AAPL", missing=[THU])))
    assert (fetched.failed, fetched.limit) == ({}, None)
    assert subject in fetched.keys


@pytest.mark.parametrize("source", SOURCES)
def test_a_limit_that_does_not_pass_soon_says_how_long(market: PriceVendors, tmp_path: Path, source: str) -> None:
    subject = THU.isoformat() if source == "massive" else "AAPL"
    market.fault(subject, Answer(429, "", {"retry-after": "3600"}))
    fetched = asyncio.run(Desk(market, tmp_path, source).fetch(gaps("AAPL", missing=[THU])))
    assert fetched.limit is not None
    assert fetched.limit.wait == 3600
    assert len(market.asked) == 1


@pytest.mark.parametrize("source", SOURCES[:3])
def test_a_wrong_key_is_an_error_of_its_own_and_told_once(
    market: PriceVendors, tmp_path: Path, source: str
) -> None:
    wrong = dict.fromkeys(ENVIRON, "wr0ng+K3Y")
    vendor = Desk(market, tmp_path, source, environ=wrong).open()
    with pytest.raises(VendorKeyError, match="does not take the key"):
        asyncio.run(vendor.fetch(vendor.asks(gaps("AAPL"))[0]))
    assert len(market.asked) == 1


@pytest.mark.parametrize("source", SOURCES[:3])
def test_without_a_key_the_error_names_the_variable(tmp_path: Path, source: str) -> None:
    with pytest.raises(VendorKeyError, match=r"set [A-Z]+_API_KEY in the environment"):
        open_vendor(SourceConfig(source=source), {}, "XNAS", RawAnswers(tmp_path))


def test_a_source_of_files_is_no_vendor(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'sample' is unknown; known are alpha_vantage"):
        open_vendor(SourceConfig(source="sample"), ENVIRON, "XNAS", RawAnswers(tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("yfinance") is not None, reason="the extra is installed here")
def test_yahoo_without_its_library_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(VendorError, match="uv sync --extra yahoo"):
        open_vendor(SourceConfig(source="yfinance"), {}, "XNAS", RawAnswers(tmp_path))


def test_an_unknown_symbol_is_an_error_of_its_own_ask(vendors: PriceVendors, tmp_path: Path) -> None:
    for source in ("alpha_vantage", "tiingo", "yfinance"):
        fetched = asyncio.run(Desk(vendors, tmp_path, source).fetch(gaps("NOPE", missing=[THU])))
        assert list(fetched.failed) == ["NOPE"]
        assert str(fetched.failed["NOPE"]).startswith("NOPE: ")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("body", [[], {}, 7, [7], {"results": [7]}, {"Time Series (Daily)": {"2025-10-30": 7}}])
def test_an_answer_of_another_shape_is_read_without_a_crash(tmp_path: Path, source: str, body: object) -> None:
    desk = Desk(PriceVendors(url="http://127.0.0.1:9"), tmp_path, source)
    for key in ("AAPL", "AAPL@splits", "splits", "2025-10-30"):
        _save(desk, key, json.dumps(body).encode())
    prices, actions = desk.read()
    assert prices.bars == ()
    assert actions.actions == ()


@pytest.mark.parametrize("source", SOURCES)
def test_a_kept_answer_that_is_no_json_is_refused(tmp_path: Path, source: str) -> None:
    desk = Desk(PriceVendors(url="http://127.0.0.1:9"), tmp_path, source)
    _save(desk, "2025-10-30" if source == "massive" else "AAPL", b"<html>")
    assert "the answer is no JSON" in str(desk.read()[0].rejected[0])


def _save(desk: Desk, key: str, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    desk.answers.save(RawAnswer(desk.source, key, THU, THU, NOW, digest, body))
