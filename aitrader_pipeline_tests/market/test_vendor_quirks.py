"""What each vendor does in its own way: how it refuses, pages, limits and adjusts."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.vendors import (
    Ask,
    VendorError,
    VendorKeyError,
    VendorLimitError,
)
from aitrader_pipeline_tests.price_vendors import (
    KEY,
    NOW,
    SESSIONS,
    Desk,
    PriceVendors,
    gaps,
    price_vendors,
    with_actions,
)
from aitrader_pipeline_tests.vendor_server import Answer

MON, TUE, WED, THU = SESSIONS


@pytest.fixture
def vendors() -> Iterator[PriceVendors]:
    with price_vendors() as running:
        yield running


@pytest.fixture
def market(vendors: PriceVendors) -> PriceVendors:
    return with_actions(vendors)


# ---- Alpha Vantage

DAY_SPENT = "We have detected your API key as {key} and our standard API rate limit is 25 requests per day."
TOO_FAST = "Please consider spreading out your free API requests more sparingly (1 request per second)."
PAID = "The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint."


def test_alpha_vantage_s_day_is_spent_for_a_process_that_resumes_too(market: PriceVendors, tmp_path: Path) -> None:
    desk = Desk(market, tmp_path, "alpha_vantage", settings={"calls_per_minute": 1_000_000})
    market.fault("AAPL", Answer(body={"Information": DAY_SPENT.format(key=KEY)}))
    fetched = asyncio.run(desk.fetch(gaps("AAPL", "BRK.B")))
    assert fetched.limit is not None
    assert fetched.limit.wait == 12 * 3600
    assert "API key as [key]" in str(fetched.limit)

    again = asyncio.run(desk.fetch(gaps("AAPL", "BRK.B")))
    assert "its 25 calls of the day are spent; go on after 2025-11-01 00:00 UTC" in str(again.limit)
    assert len(market.asked) == 1


@pytest.mark.parametrize("field", ["Note", "Information"])
def test_alpha_vantage_s_limit_of_a_second_is_waited_for(market: PriceVendors, tmp_path: Path, field: str) -> None:
    fault = Answer(body={field: TOO_FAST})
    market.fault("AAPL", fault, fault)
    desk = Desk(market, tmp_path, "alpha_vantage")
    assert asyncio.run(desk.fetch(gaps("AAPL"))).limit is None
    market.fault("AAPL", fault, fault, fault)
    assert "go on later" in str(asyncio.run(desk.fetch(gaps("AAPL"))).limit)


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        ({"Note": DAY_SPENT}, VendorLimitError, "go on after"),
        (
            {"Error Message": "the parameter apikey is invalid or missing."},
            VendorKeyError,
            "does not take the key",
        ),
        ({"Error Message": "Invalid API call for TIME_SERIES_DAILY."}, VendorError, "AAPL: .* Invalid API call"),
        ({"Information": "The **demo** API key is for demo purposes only."}, VendorKeyError, "demo"),
        ({"Information": "This is a premium endpoint."}, VendorError, "premium endpoint"),
        ({}, VendorError, "AAPL: .* it has no data"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_alpha_vantage_s_refusals_come_with_http_200(
    market: PriceVendors, tmp_path: Path, refusal: dict[str, str], error: type[Exception], words: str
) -> None:
    market.fault("AAPL", Answer(body=refusal))
    vendor = Desk(market, tmp_path, "alpha_vantage").open()
    with pytest.raises(error, match=words) as raised:
        asyncio.run(vendor.fetch(Ask("AAPL", THU, THU)))
    assert raised.type is error


def test_alpha_vantage_s_free_key_gets_the_newest_sessions_though_older_ones_are_paid(
    market: PriceVendors, tmp_path: Path
) -> None:
    old = dt.date(2024, 10, 30)
    desk = Desk(market, tmp_path, "alpha_vantage", settings={"calls_per_minute": 1_000_000})
    market.fault("BRK.B", Answer(body={"Information": PAID}))
    fetched = asyncio.run(desk.fetch({"BRK.B": [old], "AAPL": [old, THU], "MSFT": [old]}))
    assert fetched.keys[0] == "AAPL"
    assert [asked.body.get("outputsize") for asked in market.asked][:2] == ["compact", "full"]
    assert {symbol: str(error).partition(" (")[0] for symbol, error in fetched.failed.items()} == {
        "BRK.B": "BRK.B: more than the newest 100 sessions",
        "MSFT": "MSFT: more than the newest 100 sessions",
    }
    # Once refused, it is not asked for again.
    assert "MSFT" not in {asked.body["symbol"] for asked in market.asked if "outputsize" in asked.body}


def test_alpha_vantage_s_paid_key_asks_for_a_whole_series_once(market: PriceVendors, tmp_path: Path) -> None:
    desk = Desk(market, tmp_path, "alpha_vantage")
    asks = desk.open().asks({"AAPL": [dt.date(2024, 10, 30), THU]})
    assert asks[0] == Ask("AAPL", dt.date(2024, 10, 30), THU)
    assert [ask.key for ask in asks] == ["AAPL", "AAPL@splits", "AAPL@dividends"]


def test_actions_are_asked_for_once_per_newest_session_and_without_a_missing_bar(
    market: PriceVendors, tmp_path: Path
) -> None:
    desk = Desk(market, tmp_path, "alpha_vantage")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[])))
    assert [asked.body["function"] for asked in market.asked] == ["SPLITS", "DIVIDENDS"]
    assert desk.open().asks(gaps("AAPL", missing=[])) == []
    desk.now += dt.timedelta(hours=9)
    assert [ask.key for ask in desk.open().asks(gaps("AAPL", missing=[]))] == ["AAPL@splits", "AAPL@dividends"]


def test_a_date_that_stands_twice_with_other_values_is_refused(market: PriceVendors, tmp_path: Path) -> None:
    bar = '{"1. open": "%s", "2. high": "9", "3. low": "1", "4. close": "5", "5. volume": "1"}'
    series = ", ".join(f'"2025-10-30": {bar % price}' for price in ("5", "6"))
    market.fault("AAPL", Answer(body=f'{{"Time Series (Daily)": {{{series}}}}}'))
    desk = Desk(market, tmp_path, "alpha_vantage")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    prices, _ = desk.read()
    assert [bar.open for bar in prices.bars] == [Decimal(5)]
    assert "second bar with other values" in str(prices.rejected[0])


# ---- Tiingo


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer(429, {"detail": "Error: You have run over your hourly request allocation."}), 3600),
        (Answer(200, {"detail": "You have run over your daily request allocation."}), 12 * 3600),
        (Answer(200, "You have run over your 500 symbol look up for this month."), None),
    ],
    ids=["hour", "day", "month"],
)
def test_tiingo_s_limits_are_told_in_words(
    market: PriceVendors, tmp_path: Path, answer: Answer, wait: float | None
) -> None:
    market.fault("BRK.B", answer)
    fetched = asyncio.run(Desk(market, tmp_path, "tiingo").fetch(gaps("AAPL", "BRK.B")))
    assert fetched.keys == ["AAPL"]
    assert fetched.limit is not None
    assert fetched.limit.wait == wait
    assert len(market.asked) == 2


def test_tiingo_may_refuse_one_symbol_with_403_and_serve_others(market: PriceVendors, tmp_path: Path) -> None:
    market.fault("AAPL", Answer(403, {"detail": "Your plan does not cover this ticker"}))
    fetched = asyncio.run(Desk(market, tmp_path, "tiingo").fetch(gaps("AAPL", "BRK.B")))
    assert list(fetched.failed) == ["AAPL"]
    assert fetched.keys == ["BRK.B"]


def test_a_date_that_is_none_is_refused_and_the_rest_is_kept(market: PriceVendors, tmp_path: Path) -> None:
    row = {"open": 5, "high": 9, "low": 1, "close": 5, "volume": 1}
    market.fault("AAPL", Answer(body=[{**row, "date": "soon"}, {**row, "date": "2025-10-30T00:00:00.000Z"}, None]))
    desk = Desk(market, tmp_path, "tiingo")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    prices, _ = desk.read()
    assert [bar.date for bar in prices.bars] == [THU]
    assert [refused.reason for refused in prices.rejected] == [
        "date 'soon' is no date YYYY-MM-DD",
        "the bar is no JSON object",
    ]


# ---- Massive


def test_massive_asks_first_for_sessions_that_most_symbols_miss_and_then_for_the_newest(
    market: PriceVendors, tmp_path: Path
) -> None:
    asks = Desk(market, tmp_path, "massive").open().asks({"AAPL": [MON, TUE], "BRK.B": [TUE, THU]})
    assert [ask.key for ask in asks] == ["2025-10-28", "2025-10-30", "2025-10-27", "splits", "dividends"]
    assert (asks[-1].first, asks[-1].last) == (MON, THU)


def test_of_the_whole_market_the_wanted_symbols_are_taken(market: PriceVendors, tmp_path: Path) -> None:
    market.bars["BRKpB"] = market.bars["BRK.B"]
    desk = Desk(market, tmp_path, "massive", symbols=("BRK.B",))
    asyncio.run(desk.fetch(gaps("BRK.B")))
    prices, actions = desk.read()
    assert {bar.symbol for bar in prices.bars} == {"BRK.B"}
    assert actions.actions == ()
    everything, _ = replace(desk, symbols=None).read()
    assert {bar.symbol for bar in everything.bars} == {"AAPL", "BRK.B"}


def test_massive_s_pages_are_all_kept_and_only_its_own_address_gets_the_key(
    market: PriceVendors, tmp_path: Path
) -> None:
    market.page = 1
    market.dividends = {"AAPL": [(session, 0.1) for session in SESSIONS]}
    desk = Desk(market, tmp_path, "massive")
    fetched = asyncio.run(desk.fetch(gaps("AAPL")))
    assert fetched.failed == {}
    assert len([action for action in desk.read()[1].actions if action.kind == "dividend"]) == 4


def test_massive_s_actions_leave_no_hole_where_a_call_for_them_failed(
    market: PriceVendors, tmp_path: Path
) -> None:
    desk = Desk(market, tmp_path, "massive", now=NOW - dt.timedelta(days=2))
    asyncio.run(desk.fetch(gaps("AAPL", missing=[MON, TUE])))
    desk.now = NOW
    assert [(ask.key, ask.first, ask.last) for ask in desk.open().asks({"AAPL": [THU]})][1:] == [
        ("splits", TUE, THU),
        ("dividends", TUE, THU),
    ]


def test_a_dividend_that_massive_lists_twice_is_paid_once(market: PriceVendors, tmp_path: Path) -> None:
    market.dividends = {"AAPL": [(TUE, 1.04), (TUE, 1.04), (TUE, 0.5)]}
    desk = Desk(market, tmp_path, "massive")
    asyncio.run(desk.fetch(gaps("AAPL")))
    _, actions = desk.read()
    assert actions.actions[0] == CorporateAction("AAPL", TUE, "dividend", Decimal("1.54"))
    assert "listed twice" in str(actions.rejected[0])


def test_a_dividend_in_another_currency_and_a_split_without_a_ratio_are_refused(
    market: PriceVendors, tmp_path: Path
) -> None:
    euros = {"ticker": "AAPL", "ex_dividend_date": "2025-10-28", "cash_amount": 1, "currency": "EUR"}
    market.fault("dividends", Answer(body={"status": "OK", "results": [euros]}))
    broken = {"ticker": "AAPL", "execution_date": "2025-10-28", "split_from": 0, "split_to": 2}
    market.fault("splits", Answer(body={"status": "OK", "results": [broken]}))
    desk = Desk(market, tmp_path, "massive")
    asyncio.run(desk.fetch(gaps("AAPL")))
    _, actions = desk.read()
    assert actions.actions == ()
    told = " ".join(map(str, actions.rejected))
    assert "paid in EUR, not in USD" in told
    assert "no ratio" in told


def test_adjusted_bars_of_massive_are_refused_whole(market: PriceVendors, tmp_path: Path) -> None:
    adjusted = {
        "status": "OK",
        "adjusted": True,
        "results": [{"T": "AAPL", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}],
    }
    market.fault("2025-10-30", Answer(body=adjusted))
    desk = Desk(market, tmp_path, "massive")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    prices, _ = desk.read()
    assert (prices.bars, len(prices.rejected)) == ((), 1)


def test_what_massive_s_plan_does_not_reach_back_to_is_asked_for_once(
    market: PriceVendors, tmp_path: Path
) -> None:
    refusal = {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."}
    market.fault("2025-10-28", Answer(403, refusal))
    fetched = asyncio.run(Desk(market, tmp_path, "massive").fetch(gaps("AAPL")))
    assert list(fetched.failed) == ["2025-10-28", "2025-10-27"]
    assert not any(asked.path.endswith("2025-10-27") for asked in market.asked)


def test_fractions_of_shares_in_a_volume_are_left_out(market: PriceVendors, tmp_path: Path) -> None:
    row = {"T": "AAPL", "o": 1, "h": 1, "l": 1, "c": 1, "v": 12.75}
    market.fault("2025-10-30", Answer(body={"status": "OK", "adjusted": False, "results": [row]}))
    desk = Desk(market, tmp_path, "massive")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    assert [bar.volume for bar in desk.read()[0].bars] == [12]


# ---- Yahoo


def test_yahoo_is_asked_to_the_present_day_so_that_later_splits_are_known(
    market: PriceVendors, tmp_path: Path
) -> None:
    desk = Desk(market, tmp_path, "yfinance")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[MON])))
    prices, _ = desk.read()
    assert prices.bars[0].close == Decimal(808)
    assert int(market.asked[0].body["period2"]) > NOW.timestamp()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"chart": {"result": [{"meta": {}}], "error": None}}, "no chart with a time zone"),
        ({"chart": {"result": [{"meta": {"exchangeTimezoneName": "Nowhere/At"}}]}}, "no chart with a time zone"),
        (
            {
                "chart": {
                    "result": [
                        {
                            "meta": {"exchangeTimezoneName": "America/New_York"},
                            "timestamp": [1761831000],
                            "events": {"splits": {"1": {"date": 1761831000, "numerator": 4, "denominator": 0}}},
                        }
                    ]
                }
            },
            "a split without a ratio",
        ),
        (
            {
                "chart": {
                    "result": [
                        {
                            "meta": {"exchangeTimezoneName": "America/New_York"},
                            "timestamp": [1761831000],
                            "indicators": {"quote": [{"open": [None]}]},
                        }
                    ]
                }
            },
            "open is missing",
        ),
    ],
    ids=["no zone", "unknown zone", "bad split", "empty row"],
)
def test_a_chart_of_another_shape_is_refused(
    vendors: PriceVendors, tmp_path: Path, document: dict[str, object], words: str
) -> None:
    vendors.fault("AAPL", Answer(body=document))
    desk = Desk(vendors, tmp_path, "yfinance")
    asyncio.run(desk.fetch(gaps("AAPL", missing=[THU])))
    prices, _ = desk.read()
    assert prices.bars == ()
    assert words in str(prices.rejected[0])
