"""Sensors: what their ticks launch, each once, what they record, and why they launch nothing."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.automation.job_tables import Told
from aitrader_pipeline.automation.launch_history import Mark
from aitrader_pipeline.catalog import BOOKS
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import (
    EVERYTHING,
    add_backfill,
    add_run,
    asked_for,
    assets_of,
    block_of,
    launch,
    sensor_tick,
    trade,
)
from aitrader_pipeline_tests.markets import FLAT, OCT_02, OCT_03, OCT_06, TEN_DAYS, baseline, cells_of, day

CASH, HOLD, EQUAL = "cash", "buy_and_hold", "equal_weight"
MODELS = (CASH, HOLD)
CATCH_UP, SCORE, RECORD = "catch_up", "score_finished_sessions", "record_jobs"
HOLDING = """
import sys, time, duckdb
with duckdb.connect(sys.argv[1]) as con:
    print("held", flush=True)
    time.sleep(0.7)
"""

# Building what the server stores of a backfill still goes through a method that Dagster itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Two baselines with prices of ten sessions, three of them traded and scored."""
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, FLAT)
    arena.ok("run", "--end", TEN_DAYS[2])
    return arena


def keys_of(requests: Sequence[dg.RunRequest]) -> list[str]:
    return [str(request.run_key) for request in requests]


# --- catch up ---


def test_catching_up_asks_for_exactly_what_is_missing_each_cell_once(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    arena.records.path(CASH, day(TEN_DAYS[1])).unlink()
    reconfigure(arena, models=[baseline(name) for name in (*MODELS, EQUAL)])
    requests = sensor_tick(arena, instance, CATCH_UP).run_requests or []
    missing = cells_of(MODELS, TEN_DAYS[3:]) | cells_of(CASH, TEN_DAYS[1]) | cells_of(EQUAL, TEN_DAYS)
    assert asked_for(requests, arena) == sorted(missing)
    for request in requests:
        assert assets_of(request) == set(EVERYTHING)
        assert request.run_config == {"ops": {"agent_sessions": {"config": {"keep_finished": True}}}}


def test_the_next_tick_over_the_same_cells_has_the_same_keys_and_no_two_are_alike(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    arena.records.path(CASH, day(TEN_DAYS[1])).unlink()
    first = keys_of(sensor_tick(arena, instance, CATCH_UP).run_requests or [])
    again = keys_of(sensor_tick(arena, instance, CATCH_UP).run_requests or [])
    assert first == again
    assert len(set(first)) == len(first) == 2
    # Dagster never launches a key twice, so what is left to do after a part of it is done has another one.
    trade(arena, MODELS, TEN_DAYS[3:5])
    rest = keys_of(sensor_tick(arena, instance, CATCH_UP).run_requests or [])
    assert len(set(rest) - set(first)) == 1


def test_what_somebody_is_running_is_not_asked_for_nor_what_opens_from_it(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    add_run(instance, block_of((CASH,), TEN_DAYS[3:]))
    add_backfill(arena, instance, cells_of(HOLD, TEN_DAYS[3:6]), "backfill")
    tick = sensor_tick(arena, instance, CATCH_UP)
    assert not tick.run_requests
    assert tick.skip_message == "10 missing model-days are already being run"


def test_the_runs_that_catching_up_asks_for_leave_nothing_to_do(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    launches = arena.launches()
    (request,) = sensor_tick(arena, instance, CATCH_UP).run_requests or []
    assert launch(arena, request).success
    assert set(arena.all_records()) == cells_of(MODELS, TEN_DAYS)
    assert {cell: launch for cell, launch in arena.launches().items() if cell in launches} == launches
    tick = sensor_tick(arena, instance, CATCH_UP)
    assert not tick.run_requests
    # The arena goes on to the end of the month, which is over.
    assert tick.skip_message == f"up to date: {TEN_DAYS[-1]}; no prices for 2025-10-16 to 2025-10-31 yet"
    assert sensor_tick(arena, instance, SCORE).skip_message == "every finished session has its books"


@pytest.mark.parametrize(
    ("end", "awaited"), [(TEN_DAYS[2], ""), (TEN_DAYS[3], f"; no prices for {TEN_DAYS[3]} yet")]
)
@pytest.mark.slow
def test_catching_up_names_the_sessions_that_it_waits_for(tmp_path: Path, end: str, awaited: str) -> None:
    quotes = {"AAPL": {date: FLAT["AAPL"][date] for date in TEN_DAYS[:3]}}
    arena = priced_arena(tmp_path, [baseline(CASH)], quotes, last=end)
    arena.ok("run")
    with arena.instance() as instance:
        assert sensor_tick(arena, instance, CATCH_UP).skip_message == f"up to date: {TEN_DAYS[2]}{awaited}"


def test_without_prices_catching_up_says_what_to_do(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline(CASH)], FLAT)
    with arena.instance() as instance:
        tick = sensor_tick(arena, instance, CATCH_UP)
    assert not tick.run_requests
    assert tick.skip_message == "no prices are loaded for any session of the arena: materialise prices"


def test_a_mart_that_cannot_be_read_is_a_reason_and_no_crash(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    arena.mart.write_bytes(b"torn" * 10_000)
    tick = sensor_tick(arena, instance, CATCH_UP)
    assert not tick.run_requests
    assert (tick.skip_message or "").startswith(f"cannot open {arena.mart} for reading: ")


def test_a_mart_that_is_being_written_is_waited_for(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(arena.mart)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        tick = sensor_tick(arena, instance, CATCH_UP)
    assert asked_for(tick.run_requests or [], arena) == sorted(cells_of(MODELS, TEN_DAYS[3:]))


# --- scoring what stands ---


def test_after_a_partial_failure_the_books_of_the_finished_sessions_are_asked_for(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    # One model has no first session to open from: it fails, and with it everything after the sessions.
    arena.records.path(HOLD, day(TEN_DAYS[2])).unlink()
    result = arena.materialise("agent_sessions", *BOOKS, tags=block_of(MODELS, TEN_DAYS[3:5]).tags())
    assert not result.success
    tick = sensor_tick(arena, instance, SCORE)
    (request,) = tick.run_requests or []
    assert asked_for([request], arena) == sorted(cells_of(CASH, TEN_DAYS[3:5]))
    assert assets_of(request) == set(BOOKS)
    # Until it is run, the next tick asks under the same key, which Dagster launches once.
    assert keys_of(sensor_tick(arena, instance, SCORE).run_requests or []) == [request.run_key]

    assert launch(arena, request).success
    scored = arena.rows("SELECT date, model FROM daily_pnl WHERE date > ?", [TEN_DAYS[2]])
    assert sorted(scored) == sorted(cells_of(CASH, TEN_DAYS[3:5]))
    tick = sensor_tick(arena, instance, SCORE)
    assert not tick.run_requests
    assert tick.skip_message == "every finished session has its books"


def test_after_a_restated_close_the_books_that_it_moves_are_asked_for_once(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    before = sensor_tick(arena, instance, SCORE)
    assert before.skip_message == "every finished session has its books"
    prices = arena.folder / "prices.csv"
    lines = prices.read_text().splitlines()
    prices.write_text("\n".join([*(_with_close(line, TEN_DAYS[1], "99") for line in lines), ""]))
    assert arena.materialise("prices").success
    tick = sensor_tick(arena, instance, SCORE, before.cursor)
    assert asked_for(tick.run_requests or [], arena) == sorted(cells_of(HOLD, TEN_DAYS[1:3]))
    for request in tick.run_requests or []:
        assert launch(arena, request).success
    after = sensor_tick(arena, instance, SCORE, tick.cursor)
    assert after.skip_message == "every finished session has its books"
    assert sensor_tick(arena, instance, SCORE).skip_message == "every finished session has its books"


def _with_close(line: str, date: str, close: str) -> str:
    symbol, of, opened, high, _, _, volume = line.split(",")
    return ",".join((symbol, of, opened, high, close, close, volume)) if of == date else line


def test_a_new_arena_has_nothing_to_score(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline(CASH)], FLAT)
    with arena.instance() as instance:
        assert sensor_tick(arena, instance, SCORE).skip_message == "every finished session has its books"


# --- the tables of jobs ---


def test_jobs_are_written_once_and_again_only_when_something_has_changed(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    first = sensor_tick(arena, instance, RECORD)
    assert first.skip_message == "told of 1 launches"
    ((job, config, status, dates, models, seconds, error),) = arena.rows(
        "SELECT job_id, config_path, status, date_range, models, total_duration_seconds, error FROM jobs"
    )
    assert set(arena.launches().values()) == {job}
    assert (config, status, error) == ("config.json", "completed", None)
    assert dates == f'["{OCT_02}", "{OCT_03}", "{OCT_06}"]'
    assert models == f'["{HOLD}", "{CASH}"]'
    assert seconds > 0
    details = arena.rows("SELECT date, model, status, duration_seconds >= 0, error FROM job_details")
    expected = [(cell.date, cell.model, "completed", True, None) for cell in cells_of(MODELS, TEN_DAYS[:3])]
    assert sorted(details) == sorted(expected)

    written = arena.mart.stat().st_mtime_ns
    again = sensor_tick(arena, instance, RECORD, first.cursor)
    assert again.skip_message == "nothing has changed"
    assert arena.mart.stat().st_mtime_ns == written

    add_run(instance, block_of(MODELS, TEN_DAYS[3:4]))
    third = sensor_tick(arena, instance, RECORD, again.cursor or first.cursor)
    assert third.skip_message == "told of 1 launches"
    counted = arena.rows("SELECT status, count(*) FROM jobs GROUP BY ALL ORDER BY ALL")
    assert counted == [("completed", 1), ("pending", 1)]
    assert arena.rows("SELECT count(*) FROM job_details WHERE status = 'pending'") == [(2,)]


def test_a_job_that_goes_on_is_replaced_in_the_tables(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    run = add_run(instance, block_of(MODELS, TEN_DAYS[3:4]), dg.DagsterRunStatus.STARTED)
    cursor = sensor_tick(arena, instance, RECORD).cursor
    mine = "SELECT status FROM jobs WHERE job_id = ?"
    assert arena.rows(mine, [run.run_id]) == [("running",)]
    instance.report_run_failed(run, "its machine is gone")
    sensor_tick(arena, instance, RECORD, cursor)
    assert arena.rows(mine, [run.run_id]) == [("failed",)]
    details = arena.rows("SELECT DISTINCT status, error FROM job_details WHERE job_id = ?", [run.run_id])
    assert [status for status, _ in details] == ["failed"]


def test_launches_that_go_on_are_recorded_however_many_came_after_them(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = add_run(instance, block_of((CASH,), TEN_DAYS[3:4]), dg.DagsterRunStatus.STARTED)
    cursor = sensor_tick(arena, instance, RECORD).cursor
    for _ in range(21):
        add_run(instance, block_of((HOLD,), TEN_DAYS[3:4]), dg.DagsterRunStatus.CANCELED)
    instance.report_run_failed(run, "its machine is gone")
    sensor_tick(arena, instance, RECORD, cursor)
    assert arena.rows("SELECT status FROM jobs WHERE job_id = ?", [run.run_id]) == [("failed",)]


def test_however_many_launches_there_were_since_the_last_tick_all_are_recorded(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    cursor = sensor_tick(arena, instance, RECORD).cursor
    launched = [
        add_run(instance, block_of((HOLD,), TEN_DAYS[3:4]), dg.DagsterRunStatus.CANCELED).run_id for _ in range(30)
    ]
    while (tick := sensor_tick(arena, instance, RECORD, cursor)).skip_message != "nothing has changed":
        cursor = tick.cursor
    assert {job for (job,) in arena.rows("SELECT job_id FROM jobs")} >= set(launched)


def test_however_many_backfills_there_were_since_the_last_tick_all_are_recorded(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    cursor = sensor_tick(arena, instance, RECORD).cursor
    backfill = add_backfill(arena, instance, cells_of(CASH, TEN_DAYS[3]), "backfill0")
    for number in range(1, 103):
        later = backfill.backfill_timestamp + number
        instance.add_backfill(backfill._replace(backfill_id=f"backfill{number}", backfill_timestamp=later))
    while (tick := sensor_tick(arena, instance, RECORD, cursor)).skip_message != "nothing has changed":
        cursor = tick.cursor
    assert arena.rows("SELECT count(*) FROM jobs WHERE status = 'pending'") == [(103,)]


def test_what_there_was_no_time_for_is_kept_in_the_cursor() -> None:
    told = Told(digest="before").after(Mark(3, "backfill3"), [], ["run-1", "run-2"])
    assert told.queue == ("run-1", "run-2")
    assert Told.of_cursor(told.cursor()) == told == Told(Mark(3, "backfill3"), ("run-1", "run-2"), "before")
    assert Told.of_cursor("a cursor of an older version") == Told.of_cursor(None) == Told()


def test_a_retry_of_a_launch_that_was_over_is_recorded(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    run = add_run(instance, block_of((CASH,), TEN_DAYS[3:4]), dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "its machine is gone")
    cursor = sensor_tick(arena, instance, RECORD).cursor
    add_run(instance, block_of((CASH,), TEN_DAYS[3:4]), retries=run)
    sensor_tick(arena, instance, RECORD, cursor)
    assert arena.rows("SELECT status FROM jobs WHERE job_id = ?", [run.run_id]) == [("running",)]


def test_a_mart_that_was_thrown_away_is_told_of_the_jobs_again(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    cursor = sensor_tick(arena, instance, RECORD).cursor
    arena.mart.unlink()
    assert arena.materialise("prices").success
    sensor_tick(arena, instance, RECORD, cursor)
    assert arena.rows("SELECT count(*) FROM jobs") == [(1,)]


# --- which of them run by themselves ---


def test_only_what_costs_money_waits_until_somebody_turns_it_on(prepared: ArenaHome) -> None:
    sensors = build_definitions(prepared.settings).sensors or ()
    waiting = {s.name for s in sensors if s.default_status is dg.DefaultSensorStatus.STOPPED}
    assert waiting == {CATCH_UP}
