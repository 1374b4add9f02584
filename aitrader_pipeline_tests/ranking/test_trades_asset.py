"""Closed trades and summaries in a whole arena: they follow every run, and their check stops the board."""

import shutil
from pathlib import Path

import pytest

from aitrader_pipeline.catalog import SUMMARIES, TRADES
from aitrader_pipeline_tests.arena_homes import ArenaHome, failures_of, priced_arena
from aitrader_pipeline_tests.markets import GOLDEN, GOLDEN_DAYS, OCT_07, baseline
from aitrader_pipeline_tests.recorded_books import M, golden_book, write_book


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """The golden four days as an imported book."""
    folder = tmp_path_factory.mktemp("golden")
    arena = priced_arena(folder, [baseline("cash")], GOLDEN, last=GOLDEN_DAYS[-1])
    write_book(folder, golden_book())
    arena.ok("import-books", str(folder / "books"))
    return arena


@pytest.fixture
def copied(golden: ArenaHome, tmp_path: Path) -> ArenaHome:
    arena = ArenaHome(golden.folder, {**golden.environ, "AITRADER_HOME": str(tmp_path / "home")})
    shutil.copytree(golden.home, arena.home)
    return arena


def test_the_tables_are_filled_by_every_way_of_launching(golden: ArenaHome) -> None:
    assert golden.rows("SELECT symbol, shares::INTEGER, realized_pnl FROM trade_log ORDER BY ALL") == [
        ("AAPL", 15, 150),
        ("NVDA", 100, -175),
    ]
    held = golden.rows("SELECT symbol, entry_date::VARCHAR, shares::INTEGER FROM open_lots ORDER BY ALL")
    assert held == [
        ("AAPL", "2025-10-02", 5),
        ("MSFT", "2025-10-02", 10),
        ("MSFT", "2025-10-06", 13),
        ("NVDA", "2025-10-07", 10),
    ]
    tables = golden.tables(SUMMARIES)
    assert [sum(row[0] == M for row in tables[table]) for table in SUMMARIES] == [8, 4, 2, 1]


def test_trades_that_do_not_add_up_stop_the_leaderboard_and_say_why(copied: ArenaHome) -> None:
    copied.corrupt("UPDATE holdings SET quantity = 6 WHERE symbol = 'AAPL' AND date = '2025-10-07'")
    result = copied.materialise(*TRADES, *SUMMARIES, "leaderboard")
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert (checks["trades_balance"].passed, checks["trades_balance"].blocking) == (False, True)
    told = f"{M} on {OCT_07}: the open lots of AAPL have 5.0 shares, 6 are held"
    assert told in (checks["trades_balance"].description or "")
    (said,) = failures_of(result).values()
    assert said.startswith("nobody is ranked while the books do not balance: ")
    assert not result.asset_materializations_for_node("leaderboard")


def test_a_restated_close_warns_and_the_leaderboard_is_built(copied: ArenaHome) -> None:
    copied.corrupt("UPDATE prices SET close = close + 1 WHERE symbol = 'AAPL' AND date = '2025-10-07'")
    result = copied.materialise(*TRADES, *SUMMARIES, "leaderboard")
    assert result.success
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"trades_balance": True, "open_lots_marked": False}
