"""The identities of the books hold on sound books, and each is red when the mart is corrupted on purpose."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.catalog import BOARDS, BOOKS
from aitrader_pipeline.performance.identities import IDENTITIES, violations
from aitrader_pipeline_tests.arena_homes import ArenaHome, failures_of, priced_arena
from aitrader_pipeline_tests.markets import GOLDEN, GOLDEN_DAYS, OCT_02, OCT_03, OCT_06, OCT_07, baseline
from aitrader_pipeline_tests.recorded_books import M, golden_book, write_book

# Without these the table itself refuses what the check is there to find in a mart of another make.
UNCHECKED = "CREATE OR REPLACE TABLE {0} AS FROM {0}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """The golden four days as an imported book, beside two baselines that were run on the same days."""
    folder = tmp_path_factory.mktemp("sound")
    arena = priced_arena(folder, [baseline("cash"), baseline("buy_and_hold")], GOLDEN, last=GOLDEN_DAYS[-1])
    write_book(folder, golden_book())
    arena.ok("import-books", str(folder / "books"))
    arena.ok("run")
    return arena


@pytest.fixture
def mart(sound: ArenaHome, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the sound mart, to be corrupted."""
    copy = tmp_path / "arena.duckdb"
    shutil.copyfile(sound.mart, copy)
    with duckdb.connect(str(copy)) as con:
        yield con


def broken(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The identities that do not hold, and what breaks them."""
    return {identity.name: found for identity in IDENTITIES if (found := violations(con, identity))}


def test_every_identity_holds_on_sound_books(mart: duckdb.DuckDBPyConnection) -> None:
    assert broken(mart) == {}


CORRUPTIONS = {
    "cash below zero": (
        "cash_and_shares_valid",
        [
            UNCHECKED.format("positions"),
            "UPDATE positions SET cash = -1 WHERE (model, date) = ('model-a', '2025-10-03')",
        ],
        [f"{M} on {OCT_03}: cash -1.000000"],
    ),
    "shares below zero": (
        "cash_and_shares_valid",
        [
            UNCHECKED.format("holdings"),
            "UPDATE holdings SET quantity = -5 WHERE (model, date, symbol) = ('model-a', '2025-10-07', 'AAPL')",
        ],
        [f"{M} on {OCT_07}: AAPL -5 shares"] * 2,
    ),
    "an action that is missing": (
        "cash_and_shares_valid",
        ["DELETE FROM positions WHERE (model, date, action_id) = ('model-a', '2025-10-06', 2)"],
        [f"{M} on {OCT_06}: action ids are not 0 to 2"],
    ),
    "an action that is there twice": (
        "cash_and_shares_valid",
        [
            UNCHECKED.format("positions"),
            "INSERT INTO positions FROM positions WHERE (model, date, action_id) = ('model-a', '2025-10-06', 3)",
        ],
        [f"{M} on {OCT_06}: action ids are not 0 to 4"],
    ),
    "cash that no fill explains": (
        "fills_balance",
        [
            "UPDATE positions SET cash = 5005.01 WHERE (model, date, action_id) = ('model-a', '2025-10-06', 3)",
        ],
        [f"{M} on {OCT_06}: action 3: cash changed by 4825.010000, not 4825.000000"],
    ),
    "costs that were not paid": (
        "fills_balance",
        ["UPDATE positions SET costs = 1 WHERE (model, date, action_id) = ('model-a', '2025-10-07', 1)"],
        [f"{M} on {OCT_07}: action 1: cash changed by -600.000000, not -601.000000"],
    ),
    "a fill without its shares": (
        "fills_balance",
        ["DELETE FROM holdings WHERE (model, date, action_id, symbol) = ('model-a', '2025-10-07', 1, 'NVDA')"],
        [f"{M} on {OCT_07}: action 1: NVDA changed by 0, not 10"],
    ),
    "shares that vanish while something else is traded": (
        "fills_balance",
        ["DELETE FROM holdings WHERE (model, date, action_id, symbol) = ('model-a', '2025-10-02', 2, 'AAPL')"],
        [
            f"{M} on {OCT_02}: action 2: AAPL changed by -20, not 0",
            f"{M} on {OCT_02}: action 3: AAPL changed by 20, not 0",
        ],
    ),
    "shares that come from nowhere while something else is traded": (
        "fills_balance",
        ["INSERT INTO holdings VALUES ('2025-10-07', 'model-a', 1, 'FREE', 7)"],
        [f"{M} on {OCT_07}: action 1: FREE changed by 7, not 0"],
    ),
    "holdings after an action that never was": (
        "fills_balance",
        ["INSERT INTO holdings VALUES ('2025-10-03', 'model-a', 9, 'AAPL', 20)"],
        [f"{M} on {OCT_03}: AAPL is held after action 9, which there is not"],
    ),
    "a day that opens with other cash": (
        "sessions_link",
        ["UPDATE positions SET cash = cash + 1 WHERE (model, date) = ('model-a', '2025-10-03')"],
        [
            f"{M} on {OCT_03}: does not open with what {OCT_02} closed with: run it again",
            f"{M} on {OCT_06}: does not open with what {OCT_03} closed with: run it again",
        ],
    ),
    "a day that opens with other shares": (
        "sessions_link",
        ["UPDATE holdings SET quantity = 21 WHERE (model, date, symbol) = ('model-a', '2025-10-03', 'AAPL')"],
        [
            f"{M} on {OCT_03}: does not open with what {OCT_02} closed with: run it again",
            f"{M} on {OCT_06}: does not open with what {OCT_03} closed with: run it again",
        ],
    ),
    "a profit that is a cent off": (
        "profits_add_up",
        ["UPDATE daily_pnl SET daily_profit = 210.01 WHERE (model, date) = ('model-a', '2025-10-03')"],
        [f"{M} on {OCT_03}: daily profit 210.010000 counts from 10239.990000, not from 10240.000000"],
    ),
    "a day that is missing": (
        "no_day_missing",
        ["DELETE FROM daily_pnl WHERE (model, date) = ('model-a', '2025-10-06')"],
        [f"{M} on {OCT_07}: the session that it opened from, {OCT_06}, is missing or not scored"],
    ),
}


@pytest.mark.parametrize(("identity", "corruption", "told"), CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_corrupted_mart_breaks_the_identity_and_is_told_with_its_numbers(
    mart: duckdb.DuckDBPyConnection, identity: str, corruption: list[str], told: list[str]
) -> None:
    for statement in corruption:
        mart.execute(statement)
    found = broken(mart)
    assert found[identity] == told
    assert {line.partition(" on ")[0] for lines in found.values() for line in lines} == {M}


@pytest.fixture
def corrupted(sound: ArenaHome, tmp_path: Path) -> ArenaHome:
    arena = ArenaHome(sound.folder, {**sound.environ, "AITRADER_HOME": str(tmp_path / "home")})
    shutil.copytree(sound.home, arena.home)
    arena.corrupt("DELETE FROM holdings WHERE (model, date, action_id) = ('model-a', '2025-10-02', 2)")
    return arena


PROBLEM = f"{M} on {OCT_02}: action 2: AAPL changed by -20, not 0"


def test_the_leaderboard_is_not_built_on_books_that_do_not_balance(corrupted: ArenaHome) -> None:
    board = corrupted.rows("FROM leaderboard ORDER BY ALL")
    told = failures_of(corrupted.materialise("leaderboard"))["leaderboard"]
    assert told.startswith("nobody is ranked while the books do not balance")
    assert PROBLEM in told
    assert corrupted.rows("FROM leaderboard ORDER BY ALL") == board


def test_a_red_check_says_why_and_stops_what_lies_downstream_of_it(corrupted: ArenaHome) -> None:
    result = corrupted.materialise(*BOOKS, *BOARDS, partition_key=f"{OCT_07}|cash")
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {
        "cash_and_shares_valid": True,
        "fills_balance": False,
        "sessions_link": True,
        "profits_add_up": True,
        "no_day_missing": True,
        "no_leaks": True,
    }
    assert PROBLEM in (checks["fills_balance"].description or "")
    assert not result.success
    assert not any(result.asset_materializations_for_node(board) for board in BOARDS)


@pytest.mark.slow
def test_running_the_arena_again_mends_the_mart_from_the_records(corrupted: ArenaHome, sound: ArenaHome) -> None:
    corrupted.ok("run")
    assert corrupted.tables() == sound.tables()
