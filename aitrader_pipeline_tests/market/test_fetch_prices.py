"""Prices of a vendor, from its answers to the sessions that trade on them: fetched once, told of, resumed."""

import datetime as dt
import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, reconfigure
from aitrader_pipeline_tests.price_vendors import (
    ENVIRON,
    KEY,
    SESSIONS,
    SOURCES,
    PriceVendors,
    price_vendors,
    with_actions,
)
from aitrader_pipeline_tests.vendor_server import Answer

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = SESSIONS
CASH = {"name": "Cash", "signature": "cash", "trader": "cash"}
HOLD = {"name": "Hold", "signature": "hold", "trader": "buy_and_hold"}
SPARING = {"calls_per_minute": 1_000_000, "calls_per_day": 1_000_000}


@pytest.fixture
def vendors() -> Iterator[PriceVendors]:
    with price_vendors() as running:
        yield with_actions(running)


def arena_of(vendors: PriceVendors, folder: Path, source: str = "tiingo", **market: Any) -> ArenaHome:
    """Two symbols over the last three of four sessions, the first of which traders look back on."""
    config = {
        "date_range": {"init_date": str(TUESDAY), "end_date": str(THURSDAY)},
        "models": [CASH, HOLD],
        "agent_config": {"stock_symbols": ["AAPL", "BRK.B"]},
        "market": {"source": source, "base_url": vendors.url, "history_sessions": 1, **SPARING, **market},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ArenaHome(folder, {"AITRADER_CONFIG": str(folder / "config.json"), **ENVIRON})


def fetched_symbols(arena: ArenaHome) -> set[str]:
    with arena.instance() as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey("raw_prices")))


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_vendor_has_is_fetched_loaded_and_told_of(
    source: str, vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path, source)
    told = arena.ok("prices", "fetch")
    assert "8 of 8 wanted bars of 2 symbols; newest session 2025-10-30" in told.out
    assert arena.rows(
        "SELECT symbol, count(*), any_value(source) FROM prices GROUP BY symbol ORDER BY symbol"
    ) == [
        ("AAPL", 4, source),
        ("BRK.B", 4, source),
    ]
    assert arena.rows("SELECT symbol, ex_date, kind FROM corporate_actions ORDER BY ALL") == [
        ("AAPL", TUESDAY, "dividend"),
        ("AAPL", WEDNESDAY, "split"),
        ("AAPL", THURSDAY, "dividend"),
    ]
    keys = {str(date) for date in SESSIONS} if source == "massive" else {"AAPL", "BRK.B"}
    assert fetched_symbols(arena) == keys
    with arena.instance() as instance:
        events = instance.fetch_materializations(dg.AssetKey("raw_prices"), limit=100).records
    # A backfill fails over one of no partition.
    assert {event.partition_key for event in events} == keys


@pytest.mark.parametrize("second", ["alpha_vantage", pytest.param("massive", marks=pytest.mark.slow)])
def test_a_second_vendor_is_asked_for_bars_alone_and_what_it_says_otherwise_is_told_of(
    second: str, vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path, compare_with={"source": second, "base_url": vendors.url, **SPARING})
    arena.ok("prices", "fetch")
    assert arena.rows("SELECT source, count(*) FROM prices GROUP BY ALL") == [("tiingo", 8)]
    assert arena.rows("SELECT source, count(*) FROM compared_prices GROUP BY ALL") == [(second, 8)]
    asked = [one for one in vendors.asked if not one.path.startswith("/tiingo")]
    assert len(asked) == {"alpha_vantage": 2, "massive": 4}[second]
    arena.mart.unlink()
    arena.ok("prices", "fetch")
    assert len(vendors.asked) == len(asked) + 2
    assert arena.rows("SELECT source, count(*) FROM compared_prices GROUP BY ALL") == [(second, 8)]
    vendors.bars["AAPL"][THURSDAY] = (1.0, 1.0, 1.0, 1.0, 1)
    reconfigure(arena, market={"compare_with": {"source": "yfinance", "base_url": vendors.url, **SPARING}})
    result = arena.materialise("compared_prices")
    (check,) = result.get_asset_check_evaluations()
    assert (result.success, check.passed) == (True, False)
    assert f"AAPL {THURSDAY}: close" in (check.description or "")
    assert "in yfinance" in (check.description or "")


@pytest.mark.slow
def test_a_vendor_that_files_are_compared_with_is_fetched_and_what_fails_of_it_is_told(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    del vendors.bars["BRK.B"]
    arena = arena_of(vendors, tmp_path, compare_with={"source": "massive", "base_url": vendors.url, **SPARING})
    write = "symbol,date,open,high,low,close,volume\n" + f"AAPL,{TUESDAY},1,1,1,1,1\n"
    (tmp_path / "own.csv").write_text(write, encoding="utf-8")
    second = {"source": "tiingo", "base_url": vendors.url, **SPARING}
    reconfigure(arena, market={"source": "files", "path": "own.csv", "compare_with": second})
    assert "not fetched: BRK.B: " in arena.ok("prices", "fetch").said
    assert arena.rows("SELECT DISTINCT source FROM prices") == [("files",)]
    assert arena.rows("SELECT symbol, count(*) FROM compared_prices GROUP BY ALL") == [("AAPL", 3)]


def test_a_vendor_is_not_compared_with_itself(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path, compare_with={"source": "tiingo"})
    answer = arena.aitrader("prices", "fetch")
    assert answer.status == 2
    assert "market.compare_with: names tiingo again; a second source is files, or another vendor" in answer.said


def test_what_is_there_is_not_asked_for_again(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    arena.ok("prices", "fetch")
    calls = len(vendors.asked)
    shutil.rmtree(arena.home / "dagster")
    assert "8 of 8 wanted bars" in arena.ok("prices", "fetch").out
    assert len(vendors.asked) == calls
    assert fetched_symbols(arena) == {"AAPL", "BRK.B"}
    arena.ok("prices", "fetch", "--again", "--symbols", "aapl")
    assert len(vendors.asked) == calls + 1


@pytest.mark.slow
def test_a_symbol_that_is_added_is_the_only_one_asked_for(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    arena.ok("prices", "fetch")
    vendors.bars["NEW"] = dict.fromkeys(SESSIONS, (1.0, 1.0, 1.0, 1.0, 1))
    vendors.asked.clear()
    reconfigure(arena, agent_config={"stock_symbols": ["AAPL", "BRK.B", "NEW"]})
    assert "12 of 12 wanted bars of 3 symbols" in arena.ok("prices", "fetch").out
    assert [asked.path for asked in vendors.asked] == ["/tiingo/daily/NEW/prices"]


@pytest.mark.slow
def test_a_session_that_the_vendor_has_no_bar_of_is_a_hole_and_not_asked_for_for_ever(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    del vendors.bars["BRK.B"][WEDNESDAY]
    arena = arena_of(vendors, tmp_path)
    assert "7 of 8 wanted bars" in arena.ok("prices", "fetch").out
    calls = len(vendors.asked)
    arena.ok("prices", "fetch")
    assert len(vendors.asked) == calls
    status = arena.ok("prices", "status", "--format", "json").json
    assert status["holes"] == [
        {
            "symbol": "BRK.B",
            "first_session": str(WEDNESDAY),
            "last_session": str(WEDNESDAY),
            "sessions": 1,
            "status": "missing",
        }
    ]
    apple, berkshire = status["symbols"]
    assert (apple["missing"], apple["sessions"], apple["source"]) == (0, 4, "tiingo")
    assert (berkshire["missing"], berkshire["holes"], berkshire["newest_session"]) == (1, 1, str(THURSDAY))
    assert str(WEDNESDAY) in arena.ok("prices", "status", "--holes").out


def test_a_symbol_that_fails_stops_no_other_and_is_told_of(vendors: PriceVendors, tmp_path: Path) -> None:
    del vendors.bars["AAPL"]
    arena = arena_of(vendors, tmp_path)
    answer = arena.ok("prices", "fetch")
    assert "not fetched: AAPL: " in answer.said
    assert "1 of 2 calls of the price vendor answered" in answer.said
    assert "4 of 8 wanted bars" in answer.out
    [(error,)] = arena.rows("SELECT error FROM price_fetches WHERE key = 'AAPL'")
    assert error.startswith("AAPL: ")
    assert fetched_symbols(arena) == {"BRK.B"}
    with arena.instance() as instance:
        [observation] = instance.fetch_observations(dg.AssetKey("raw_prices"), limit=5).records
    assert observation.partition_key == "AAPL"
    told = observation.asset_observation
    assert told is not None
    assert told.metadata["error"].value == error
    # A run leaves it alone for a day: nothing of it is there all the same.
    assert "4 of the wanted bars are missing: see `aitrader prices status`" in arena.ok("run").said
    assert fetched_symbols(arena) == {"BRK.B"}


def test_a_limit_in_the_middle_loses_nothing_and_the_next_fetch_goes_on(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path, calls_per_day=1)
    first = arena.ok("prices", "fetch")
    assert "1 calls are left: tiingo: its 1 calls of the day are spent" in first.said
    assert "4 of 8 wanted bars" in first.out
    assert len(fetched_symbols(arena)) == 1
    reconfigure(arena, market={"calls_per_day": 2})
    assert "8 of 8 wanted bars" in arena.ok("prices", "fetch").out
    assert len({asked.path for asked in vendors.asked}) == len(vendors.asked) == 2


@pytest.mark.slow
def test_interrupted_it_keeps_what_came_and_the_same_command_goes_on(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path, calls_per_minute=2)
    process = arena.start("prices", "fetch")
    end = time.monotonic() + 60
    while not list((arena.home / "raw_prices").rglob("*.gz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted; what is finished is kept" in " ".join(said.split())
    reconfigure(arena, market={"calls_per_minute": 1_000_000})
    (arena.home / "raw_prices" / "tiingo" / "calls.json").unlink()
    assert "8 of 8 wanted bars" in arena.ok("prices", "fetch").out
    assert len({asked.path for asked in vendors.asked}) == len(vendors.asked) == 2


@pytest.mark.slow
def test_a_mart_that_was_deleted_is_filled_from_the_kept_answers_without_a_call(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path)
    arena.ok("prices", "fetch")
    before, calls = arena.tables(("prices", "corporate_actions")), len(vendors.asked)
    arena.mart.unlink()
    assert "8 of 8 wanted bars" in arena.ok("prices", "fetch").out
    assert arena.tables(("prices", "corporate_actions")) == before
    assert len(vendors.asked) == calls


@pytest.mark.slow
def test_a_restated_bar_of_a_newer_answer_stands(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    arena.ok("prices", "fetch")
    vendors.bars["AAPL"][MONDAY] = (800.5, 812.25, 796.0, 809.0, 1000)
    arena.ok("prices", "fetch", "--again", "--start", str(MONDAY), "--end", str(MONDAY))
    query = "SELECT close::VARCHAR FROM prices WHERE symbol = 'AAPL' AND date = ?"
    assert arena.rows(query, [MONDAY]) == [("809.000000",)]
    arena.mart.unlink()
    arena.ok("prices", "fetch")
    assert arena.rows(query, [MONDAY]) == [("809.000000",)]


def test_a_run_fetches_what_it_needs_and_holds_shares_through_the_split(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path)
    assert "6 of 6 model-days run" in arena.ok("run").said
    shares = arena.rows(
        "SELECT date, quantity FROM holdings WHERE model = 'hold' AND symbol = 'AAPL' "
        "QUALIFY row_number() OVER (PARTITION BY date ORDER BY action_id DESC) = 1 ORDER BY date"
    )
    (_, before), (_, after), _ = shares
    assert after == 4 * before


def test_a_refused_key_is_told_and_leaves_no_trace_of_itself(vendors: PriceVendors, tmp_path: Path) -> None:
    wrong = "wr0ng-K3Y-0123456789"
    arena = arena_of(vendors, tmp_path)
    mistaken = ArenaHome(arena.folder, {**arena.environ, "TIINGO_API_KEY": wrong})
    answer = mistaken.aitrader("prices", "fetch")
    assert answer.status == 1
    assert "does not take the key" in answer.said
    arena.ok("prices", "fetch")
    files = [path for path in arena.home.rglob("*") if path.is_file()]
    assert [path.name for path in files if any(key.encode() in path.read_bytes() for key in (KEY, wrong))] == []
    assert wrong not in answer.err


def test_without_a_key_the_way_out_is_told(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    answer = ArenaHome(arena.folder, {**arena.environ, "TIINGO_API_KEY": ""}).aitrader("prices", "fetch")
    assert answer.status == 1
    assert "set TIINGO_API_KEY in the environment" in answer.said


def test_a_vendor_that_is_down_ends_the_batch_and_is_told_once(vendors: PriceVendors, tmp_path: Path) -> None:
    symbols = [f"S{number}" for number in range(20)]
    arena = arena_of(vendors, tmp_path)
    reconfigure(arena, agent_config={"stock_symbols": symbols})
    for symbol in symbols:
        vendors.fault(symbol, Answer(404, {"detail": "Not found."}))
    said = arena.ok("prices", "fetch").said
    assert "8 calls in a row failed" in said
    assert len(vendors.asked) == 8


def test_a_source_of_files_has_nothing_to_fetch(tmp_path: Path) -> None:
    answer = ArenaHome(tmp_path).aitrader("prices", "fetch")
    assert answer.status == 2
    assert "market.source 'sample' is a source of files" in answer.said


@pytest.mark.slow
def test_coverage_tells_of_a_source_of_files_too(tmp_path: Path) -> None:
    arena = ArenaHome(tmp_path)
    assert arena.aitrader("prices", "status").status == 1
    arena.ok("run", "--end", "2012-10-01", "--models", "cash")
    assert "symbols; newest session 2013-03-01" in arena.ok("prices", "status").out
    unknown = arena.aitrader("prices", "status", "--symbols", "NVDA")
    assert unknown.status == 2
    assert "NVDA: no such symbol in the universe" in unknown.said
    ages = {row["symbol"]: row for row in arena.ok("prices", "status", "--format", "json").json["symbols"]}
    assert ages["AAPL"]["missing"] == 0
    assert dt.datetime.fromisoformat(ages["AAPL"]["fetched_at"]).tzinfo is not None
