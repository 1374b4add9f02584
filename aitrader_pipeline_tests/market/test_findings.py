"""The checks of the prices: each finds what it is for, with its place and its numbers, and nothing else."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.market.findings import PRICE_CHECKS, SOURCES_AGREE, PriceCheck, findings
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import FLAT, TEN_DAYS, baseline
from aitrader_pipeline_tests.series import open_mart

CHECKS = {check.name: check for check in (*PRICE_CHECKS, SOURCES_AGREE)}
SESSIONS = [date(2025, 10, number) for number in (1, 2, 3, 6, 7, 8, 9, 10)]
NOON = datetime(2025, 10, 11, tzinfo=UTC)


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def add_bar(
    mart: duckdb.DuckDBPyConnection,
    symbol: str,
    day: date,
    opened: float = 10,
    closed: float | None = 10,
    table: str = "prices",
) -> None:
    values = (
        [opened, None, None, None]
        if closed is None
        else [opened, max(opened, closed), min(opened, closed), closed]
    )
    into = f"INSERT INTO {table} BY NAME"
    mart.execute(
        f"{into} SELECT ? AS symbol, ? AS date, ? AS open, ? AS high, ? AS low, ? AS close, 1 AS volume,"
        " 'test' AS source, ? AS fetched_at",
        [symbol, day, *values, NOON],
    )


def add_bars(mart: duckdb.DuckDBPyConnection, symbol: str, *without: date) -> None:
    for day in SESSIONS:
        if day not in without:
            add_bar(mart, symbol, day)


def add_action(
    mart: duckdb.DuckDBPyConnection, symbol: str, day: date, kind: str, value: float | None = None
) -> None:
    mart.execute(
        "INSERT INTO corporate_actions VALUES (?, ?, ?, ?, NULL, 'test', ?)", [symbol, day, kind, value, NOON]
    )


def found(
    mart: duckdb.DuckDBPyConnection, folder: Path, name: str, market: dict[str, Any] | None = None, **agent: Any
) -> list[str]:
    config = {
        "date_range": {"init_date": "2025-10-02"},
        "models": [baseline("cash")],
        "agent_config": agent,
        "market": market or {},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    check: PriceCheck = CHECKS[name]
    return findings(mart, check, ArenaConfig.load(folder / "config.json"))


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_is_found_without_prices_or_in_good_ones(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    assert found(mart, tmp_path, name) == []
    add_bars(mart, "AAPL")
    assert found(mart, tmp_path, name) == []


def test_a_hole_is_a_session_without_a_bar_between_a_symbol_s_first_and_last(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    add_bars(mart, "AAPL", SESSIONS[2], SESSIONS[5])
    add_bars(mart, "LATE", *SESSIONS[:4])
    add_bars(mart, "GONE", *SESSIONS[4:])
    assert found(mart, tmp_path, "no_bar_missing") == [
        "AAPL 2025-10-03: has no bar",
        "AAPL 2025-10-08: has no bar",
    ]


def test_no_bar_is_missing_of_a_symbol_that_is_no_member_then(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    add_bars(mart, "AAPL", SESSIONS[2], SESSIONS[5])
    add_bars(mart, "OTHER", SESSIONS[2])
    add_bars(mart, "QQQ", SESSIONS[3])
    listed = [{"symbol": "AAPL", "from": "2025-10-06"}, "NEVER"]
    assert found(mart, tmp_path, "no_bar_missing", {"benchmark": "QQQ"}, stock_symbols=listed) == [
        "AAPL 2025-10-08: has no bar",
        "NEVER has no bar at all",
        "QQQ 2025-10-06: has no bar",
    ]


def test_a_price_outside_its_range_is_found(mart: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add_bars(mart, "AAPL")
    add_bars(mart, "MSFT")
    mart.execute("UPDATE prices SET high = 9.5 WHERE symbol = 'AAPL' AND date = '2025-10-06'")
    mart.execute("UPDATE prices SET close = 11 WHERE symbol = 'MSFT' AND date = '2025-10-07'")
    assert found(mart, tmp_path, "prices_within_range") == [
        "AAPL 2025-10-06: open 10.000000 is outside low..high 10.000000..9.500000",
        "MSFT 2025-10-07: close 11.000000 is outside low..high 10.000000..10.000000",
    ]


def test_a_move_beyond_the_threshold_is_found_unless_actions_explain_it(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for symbol, opened in (("UP", 14.1), ("DOWN", 5.9), ("LESS", 13.9), ("SPLIT", 5.1), ("WRONG", 5), ("PAID", 4)):
        add_bar(mart, symbol, SESSIONS[0])
        add_bar(mart, symbol, SESSIONS[1], opened, opened)
    add_action(mart, "SPLIT", SESSIONS[1], "split", 2)
    add_action(mart, "WRONG", SESSIONS[1], "split", 0.5)
    add_action(mart, "PAID", SESSIONS[1], "dividend", 6)
    add_action(mart, "DOWN", SESSIONS[0], "split", 2)  # the night before
    assert found(mart, tmp_path, "overnight_moves_explained") == [
        "DOWN 2025-10-02: opens at 5.9 where 10 was expected: -41.0 %",
        "UP 2025-10-02: opens at 14.1 where 10 was expected: +41.0 %",
        "WRONG 2025-10-02: opens at 5 where 20 was expected: -75.0 %",
    ]
    assert len(found(mart, tmp_path, "overnight_moves_explained", {"max_overnight_move_pct": 38})) == 4


def test_a_symbol_without_a_bar_on_the_newest_sessions_is_stale_unless_it_is_known_to_be_gone(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    add_bars(mart, "AAPL")
    for symbol in ("STALE", "DELISTED", "LEFT"):
        add_bars(mart, symbol, *SESSIONS[5:])
    add_bars(mart, "FRESH", *SESSIONS[6:])
    add_action(mart, "DELISTED", SESSIONS[5], "delisting")
    listed = ["AAPL", "STALE", "DELISTED", "FRESH", {"symbol": "LEFT", "to": "2025-10-08"}]
    market = {"stale_after_sessions": 3}
    assert found(mart, tmp_path, "no_symbol_stale", market, stock_symbols=listed) == [
        "STALE 2025-10-07: is its last bar"
    ]
    assert found(mart, tmp_path, "no_symbol_stale", {"stale_after_sessions": 4}, stock_symbols=listed) == []


def test_an_open_alone_is_found_where_it_is_the_newest_bar(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for symbol in ("AAPL", "MSFT"):
        add_bar(mart, symbol, SESSIONS[0], closed=None)
        add_bar(mart, symbol, SESSIONS[1], closed=None if symbol == "AAPL" else 10)
    assert found(mart, tmp_path, "newest_bars_complete") == ["AAPL 2025-10-02: has its open alone"]


def test_prices_that_differ_between_the_sources_beyond_the_tolerance_are_found(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for day, theirs in zip(SESSIONS, (10, 10.04, 10.06, None), strict=False):
        add_bar(mart, "AAPL", day)
        add_bar(mart, "AAPL", day, closed=theirs, table="compared_prices")
    add_bar(mart, "ELSEWHERE", SESSIONS[0], table="compared_prices")
    assert found(mart, tmp_path, "sources_agree") == [
        "AAPL 2025-10-03: close 10.0 here, 10.06 in test",
        "AAPL 2025-10-03: high 10.0 here, 10.06 in test",
    ]
    assert len(found(mart, tmp_path, "sources_agree", {"max_disagreement_pct": 0.3})) == 4


# --- as Dagster shows them ---


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """An arena whose bars have a hole, with hourly bars and a second source."""
    folder = tmp_path_factory.mktemp("findings")
    quotes = {"MSFT": FLAT["AAPL"], "AAPL": {d: q for d, q in FLAT["AAPL"].items() if d != TEN_DAYS[3]}}
    arena = priced_arena(folder, [baseline("cash")], quotes)
    header = "symbol,{},open,high,low,close,volume\n"
    (folder / "hourly.csv").write_text(
        header.format("timestamp") + "AAPL,2025-10-02 10:30,1,2,1,2,5\nAAPL,2025-10-02 20:30,1,2,1,2,5\n"
    )
    (folder / "second.csv").write_text(header.format("date") + "MSFT,2025-10-02,100,101,100,100.2,1000\n")
    reconfigure(
        arena,
        market={"hourly_path": "hourly.csv", "compare_with": {"source": "files", "path": "second.csv"}},
    )
    return arena


def test_what_is_found_is_a_warning_with_numbers_and_stops_nothing(arena: ArenaHome) -> None:
    result = arena.materialise("prices", "compared_prices")
    assert result.success
    told = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert told.keys() == CHECKS.keys()
    assert {name for name, one in told.items() if not one.passed} == {"no_bar_missing", "sources_agree"}
    assert {one.severity for one in told.values()} == {dg.AssetCheckSeverity.WARN}
    hole = told["no_bar_missing"]
    assert hole.asset_key == dg.AssetKey("prices")
    assert {name: value.value for name, value in hole.metadata.items()} == {
        "found": 1,
        "first": [f"AAPL {TEN_DAYS[3]}: has no bar"],
        "bars": 19,
        "symbols": 2,
    }
    assert told["sources_agree"].asset_key == dg.AssetKey("compared_prices")
    assert told["sources_agree"].description == f"MSFT {TEN_DAYS[0]}: close 101.0 here, 100.2 in files"


def test_hourly_bars_are_an_asset_of_their_own_that_tells_what_it_refused(arena: ArenaHome) -> None:
    result = arena.materialise("hourly_prices")
    assert result.success
    (event,) = result.get_asset_materialization_events()
    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (shown["dagster/row_count"], shown["bars_added"], shown["bars_refused"]) == (1, 1, 1)
    assert shown["refused"] == [
        "hourly.csv, line 3: AAPL 2025-10-02 20:30: 2025-10-02 20:30 is outside the trading hours of XNAS"
    ]
