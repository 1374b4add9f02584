"""The pipeline on a real Dagster instance: slices, failures, replacements, and the mart that can be rebuilt."""

from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.catalog import BOARDS, BOOKS
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, failures_of, priced_arena, reconfigure, sample_arena
from aitrader_pipeline_tests.markets import (
    FLAT,
    KEY,
    KEY_VARIABLE,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    TEN_DAYS,
    Quotes,
    baseline,
    cells_of,
    day,
    model,
)
from aitrader_pipeline_tests.openai_server import FINISH, buy, openai_server, says

CASH, HOLD, MOMENTUM = "cash", "buy-and-hold", "momentum"
SAMPLE_MODELS = (CASH, HOLD, MOMENTUM)
SAMPLE_DAYS = ("2012-10-01", "2012-10-02", "2012-10-03")
SESSIONS = "agent_sessions"
M = "model-a"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Three days of three models, run as one block; the tests only look at it."""
    arena = sample_arena(tmp_path_factory.mktemp("sample"), SAMPLE_DAYS[0], SAMPLE_DAYS[-1], SAMPLE_MODELS)
    answer = arena.ok("run")
    assert "9 of 9 model-days run; 0 stood already." in answer.said
    return arena


def events_of(arena: ArenaHome, asset: str) -> list[dg.AssetMaterialization]:
    with arena.instance() as instance:
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    return [m for record in records if (m := record.asset_materialization) is not None]


# --- slices ---


def test_one_cell_and_everything_downstream_is_one_run(tmp_path: Path) -> None:
    arena = sample_arena(tmp_path, "2012-10-01", "2012-10-05", SAMPLE_MODELS)
    assert arena.materialise("prices").success
    assert arena.materialise(SESSIONS, *BOOKS, *BOARDS, partition_key=f"2012-10-01|{HOLD}").success
    assert set(arena.all_records()) == cells_of(HOLD, "2012-10-01")
    assert arena.rows("SELECT model, sessions FROM leaderboard WHERE kind <> 'benchmark'") == [(HOLD, 1)]
    tables = arena.tables()
    for table in ("daily_pnl", "positions", "holdings", "reasoning_logs"):
        assert {row[:2] for row in tables[table]} == {(day("2012-10-01"), HOLD)}, table


@pytest.mark.slow
def test_a_block_of_days_and_models_equals_day_by_day(sample: ArenaHome, tmp_path: Path) -> None:
    arena = sample_arena(tmp_path, SAMPLE_DAYS[0], SAMPLE_DAYS[-1], SAMPLE_MODELS)
    for date in SAMPLE_DAYS:
        answer = arena.ok("run", "--start", date, "--end", date)
        assert "3 of 3 model-days run" in answer.said
    assert arena.essences() == sample.essences()
    assert arena.tables() == sample.tables()


def test_every_finished_cell_is_one_event_of_each_of_its_assets(sample: ArenaHome) -> None:
    expected = sorted(str(cell) for cell in cells_of(SAMPLE_MODELS, SAMPLE_DAYS))
    for asset in (SESSIONS, *BOOKS):
        assert sorted(str(event.partition) for event in events_of(sample, asset)) == expected, asset


def test_an_event_tells_what_its_session_did(sample: ArenaHome) -> None:
    events = {str(event.partition): event.metadata for event in events_of(sample, SESSIONS)}
    record = sample.all_records()[Cell(day("2012-10-01"), HOLD)]
    shown = {name: value.value for name, value in events[f"2012-10-01|{HOLD}"].items()}
    assert record.actions
    assert shown["trades"] == len(record.actions)
    assert shown["cash"] == float(record.end.cash)
    assert shown["end_reason"] == "finished"
    assert shown["content_hash"] == record.content_hash


def test_the_mart_is_a_copy_that_can_be_thrown_away(sample: ArenaHome) -> None:
    before, launches = sample.tables(), sample.launches()
    sample.mart.unlink()
    answer = sample.ok("run")
    assert "Up to date: 9 model-days stand through 2012-10-03." in answer.said
    assert sample.tables() == before
    assert sample.launches() == launches


def test_books_are_refused_for_a_model_day_that_has_no_session(tmp_path: Path) -> None:
    arena = sample_arena(tmp_path, "2012-10-01", "2012-10-05", SAMPLE_MODELS)
    assert arena.materialise("prices").success
    result = arena.materialise(*BOOKS, partition_key=f"2012-10-02|{CASH}")
    assert not result.success
    expected = f"{CASH} has no session on 2012-10-02: materialise {SESSIONS} for it first"
    assert set(failures_of(result).values()) == {expected}


def test_a_session_before_any_prices_says_what_is_missing(tmp_path: Path) -> None:
    arena = sample_arena(tmp_path, "2012-10-01", "2012-10-05", SAMPLE_MODELS)
    result = arena.materialise(SESSIONS, partition_key=f"2012-10-01|{CASH}")
    assert "no prices" in failures_of(result)[SESSIONS]
    assert arena.all_records() == {}


# --- failures ---


@pytest.mark.slow
def test_a_failing_model_keeps_what_the_others_did_and_the_same_command_finishes_it(tmp_path: Path) -> None:
    with openai_server() as endpoint:
        arena = priced_arena(
            tmp_path, [baseline("cash"), model(M, endpoint.base_url), baseline("buy_and_hold")], FLAT
        )
        days = TEN_DAYS[:3]
        answer = arena.aitrader("run", "--end", days[-1])
        assert answer.status == 1
        assert f"{M} on {OCT_02}" in answer.said
        assert f"{KEY_VARIABLE} is not set" in answer.said
        assert "not run because of it: 2 later sessions" in answer.said
        assert "6 of 9 model-days run; 0 stood already." in answer.said
        others = cells_of(("cash", "buy_and_hold"), days)
        assert set(arena.all_records()) == others
        assert {Cell(*row) for row in arena.rows("SELECT date, model FROM daily_pnl")} == others
        assert {name for (name,) in arena.rows("SELECT model FROM leaderboard WHERE kind <> 'benchmark'")} == {
            "cash",
            "buy_and_hold",
        }
        with arena.instance() as instance:
            known = instance.get_materialized_partitions(dg.AssetKey(SESSIONS))
            (failed,) = [run for run in instance.get_runs() if run.status is dg.DagsterRunStatus.FAILURE]
        assert known == {str(cell) for cell in others}
        assert dg.AssetKey(SESSIONS) in (failed.asset_selection or ())

        launches = arena.launches()
        endpoint.respond(M, lambda _: says(FINISH, buy("AAPL", 1)))
        arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        answer = arena.ok("run", "--end", days[-1])
        assert "3 of 3 model-days run; 6 stood already." in answer.said
        assert set(arena.all_records()) == others | cells_of(M, days)
        assert {cell: launch for cell, launch in arena.launches().items() if cell in others} == launches
        assert len(arena.rows("FROM leaderboard WHERE kind <> 'benchmark'")) == 3


@pytest.mark.slow
def test_a_failure_in_the_middle_keeps_the_days_before_it(tmp_path: Path) -> None:
    quotes = {"AAPL": dict.fromkeys((OCT_02, OCT_03, OCT_07), ("100", "101"))}
    arena = priced_arena(tmp_path, [baseline("cash")], quotes)
    answer = arena.aitrader("run", "--end", OCT_07)
    assert answer.status == 1
    assert f"cash on {OCT_06}: no prices for {OCT_06}" in answer.said
    assert set(arena.all_records()) == cells_of("cash", (OCT_02, OCT_03))
    assert arena.rows("SELECT sessions FROM leaderboard WHERE kind <> 'benchmark'") == [(2,)]


# --- prices that arrive late or are corrected ---


def with_close(close: str | None) -> Quotes:
    newest = "102" if close is None else ("102", close)
    return {"AAPL": {OCT_02: ("100", "100"), OCT_03: ("100", "101"), OCT_06: newest}}


@pytest.mark.slow
def test_a_session_without_its_close_is_not_ranked_and_is_scored_when_the_close_arrives(tmp_path: Path) -> None:
    cash, hold = baseline("cash"), baseline("buy_and_hold")
    arena = priced_arena(tmp_path, [cash, hold], with_close(None))
    assert "6 of 6 model-days run" in arena.ok("run").said
    standings = (
        "SELECT model, date, sessions, portfolio_value FROM leaderboard WHERE kind <> 'benchmark' ORDER BY rank"
    )
    figures = arena.rows(
        "SELECT closing_equity, daily_profit, daily_return_pct, cumulative_profit, cumulative_return_pct "
        "FROM daily_pnl WHERE date = ?",
        [OCT_06],
    )
    assert figures == [(None,) * 5] * 2
    ranked = arena.rows(standings)
    assert ranked == [("buy_and_hold", day(OCT_03), 2, 10100), ("cash", day(OCT_03), 2, 10000)]
    records = {cell: record.to_json() for cell, record in arena.all_records().items()}

    # A model that has been switched off since is scored like the others.
    priced_arena(tmp_path, [cash, {**hold, "enabled": False}], with_close("104"))
    assert "Up to date: 3 model-days stand" in arena.ok("run").said
    assert {cell: record.to_json() for cell, record in arena.all_records().items()} == records
    scored = arena.rows("SELECT model, closing_equity, daily_profit FROM daily_pnl WHERE date = ?", [OCT_06])
    assert sorted(scored) == [("buy_and_hold", 10400, 300), ("cash", 10000, 0)]
    ranked = arena.rows(standings)
    assert ranked == [("buy_and_hold", day(OCT_06), 3, 10400), ("cash", day(OCT_06), 3, 10000)]


@pytest.mark.slow
def test_a_model_whose_only_session_has_no_close_is_not_ranked(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("buy_and_hold")], {"AAPL": {OCT_02: "100"}})
    arena.ok("run")
    assert arena.rows("SELECT closing_equity FROM daily_pnl") == [(None,)]
    assert arena.rows("FROM leaderboard") == []


@pytest.mark.slow
def test_a_restated_close_is_counted_anew_on_its_day_and_the_next_without_running_them(
    tmp_path: Path,
) -> None:
    roster = [baseline("cash"), baseline("buy_and_hold")]
    arena = priced_arena(tmp_path, roster, with_close("104"))
    arena.ok("run")
    launches = arena.launches()
    restated = {"AAPL": {**with_close("104")["AAPL"], OCT_03: ("100", "99")}}
    priced_arena(tmp_path, roster, restated)
    # Whatever slice is asked for: a day that is left as it was would not add up with the restated one.
    arena.ok("run", "--end", OCT_03)
    profits = "SELECT daily_profit FROM daily_pnl WHERE model = ? ORDER BY date"
    assert arena.rows(profits, ["buy_and_hold"]) == [(0,), (-100,), (500,)]
    assert arena.launches() == launches
    scored = arena.tables()
    arena.mart.unlink()
    arena.ok("run")
    assert arena.tables() == scored


# --- replacing ---


@pytest.mark.slow
def test_a_day_that_is_run_again_is_replaced_and_never_appended(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("buy_and_hold")], FLAT)
    arena.ok("run", "--end", OCT_03)
    before, essences, launches = arena.tables(), arena.essences(), arena.launches()
    answer = arena.ok("run", "--start", OCT_03, "--end", OCT_03, "--replace")
    assert "1 of 1 model-days run; 0 stood already." in answer.said
    assert arena.essences() == essences
    assert arena.tables() == before
    (first, second) = (Cell(day(date), "buy_and_hold") for date in (OCT_02, OCT_03))
    assert arena.launches()[first] == launches[first]
    assert arena.launches()[second] != launches[second]
    jobs = arena.rows("SELECT DISTINCT date, job_id FROM positions ORDER BY date")
    assert jobs == [(first.date, launches[first]), (second.date, arena.launches()[second])]


@pytest.mark.slow
def test_a_replaced_day_that_ends_otherwise_keeps_everybody_from_being_ranked(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("buy_and_hold"), {**baseline("cash"), "name": "Other"}], FLAT)
    days = TEN_DAYS[:4]
    arena.ok("run", "--end", days[-1])
    board = arena.rows("FROM leaderboard ORDER BY ALL")
    # The same portfolio under another rule: it now keeps its cash where it bought.
    reconfigure(arena, models=[{**baseline("cash"), "signature": "buy_and_hold"}, baseline("cash")])
    answer = arena.aitrader("run", "--start", days[0], "--end", days[1], "--models", "buy_and_hold", "--replace")
    assert answer.status == 1
    assert "nobody is ranked while the books do not balance" in answer.said
    assert f"buy_and_hold on {days[2]}: does not open with what {days[1]} closed with: run it again" in answer.said
    assert arena.rows("FROM leaderboard ORDER BY ALL") == board

    answer = arena.ok("run", "--start", days[2], "--end", days[3], "--models", "buy_and_hold", "--replace")
    assert arena.rows("SELECT model, rank, trades FROM leaderboard WHERE kind <> 'benchmark' ORDER BY model") == [
        ("buy_and_hold", 1, 0),
        ("cash", 1, 0),
    ]
