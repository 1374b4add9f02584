"""The schedule: every session of the exchange, half an hour after the regular close, in exchange time."""

import datetime as dt
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._utils.schedules import schedule_execution_time_iterator

from aitrader_pipeline.partitions import axes_of
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import (
    EVERYTHING,
    asked_for,
    assets_of,
    copy_of,
    launch,
    schedule_tick,
    the_schedule,
    trade,
)
from aitrader_pipeline_tests.markets import FLAT, OCT_02, OCT_03, TEN_DAYS, baseline, cells_of, day

CASH, HOLD = "cash", "buy_and_hold"
MODELS = (CASH, HOLD)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Two baselines over 2025's last quarter, with prices of its first ten sessions; nothing has been run."""
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, FLAT)
    reconfigure(arena, date_range={"end_date": "2025-12-31"})
    assert arena.materialise("prices").success
    return arena


@pytest.fixture(scope="module")
def shared_instance(prepared: ArenaHome) -> Iterator[dg.DagsterInstance]:
    """For the tests that only look."""
    with prepared.instance() as instance:
        yield instance


def close_of(date: str) -> dt.datetime:
    """When the schedule is due on a day."""
    return dt.datetime.combine(day(date), dt.time(16, 30), NEW_YORK)


def ticks_between(arena: ArenaHome, first: str, last: str) -> list[dt.datetime]:
    """The moments at which Dagster's daemon would tick the schedule, by its own reckoning."""
    schedule = the_schedule(arena)
    zone = schedule.execution_timezone
    start, end = (dt.datetime.combine(day(date), dt.time(), NEW_YORK) for date in (first, last))
    moments = schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, zone)
    return list(takewhile(lambda moment: moment < end + dt.timedelta(days=1), moments))


def the_request(tick: ScheduleExecutionData) -> dg.RunRequest:
    (request,) = tick.run_requests or ()
    return request


# --- what a session's tick asks for ---


def test_a_session_asks_for_prices_and_everything_from_the_first_missing_session_to_today(
    prepared: ArenaHome, shared_instance: dg.DagsterInstance
) -> None:
    request = the_request(schedule_tick(prepared, shared_instance, close_of(TEN_DAYS[2])))
    assert asked_for([request], prepared) == sorted(cells_of(MODELS, TEN_DAYS[:3]))
    assert assets_of(request) == {"prices", "corporate_actions", *EVERYTHING}
    assert request.run_key == TEN_DAYS[2]
    assert request.run_config == {"ops": {"agent_sessions": {"config": {"keep_finished": True}}}}


def test_what_stands_at_the_beginning_is_not_asked_for_again(prepared: ArenaHome, tmp_path: Path) -> None:
    arena = copy_of(prepared, tmp_path)
    trade(arena, MODELS, TEN_DAYS[:3])
    with arena.instance() as instance:
        request = the_request(schedule_tick(arena, instance, close_of(TEN_DAYS[3])))
        assert asked_for([request], arena) == sorted(cells_of(MODELS, TEN_DAYS[3]))
        # One model is behind: the block begins where it does, and keeps what the others have finished.
        arena.records.path(CASH, day(TEN_DAYS[1])).unlink()
        request = the_request(schedule_tick(arena, instance, close_of(TEN_DAYS[3])))
        assert asked_for([request], arena) == sorted(cells_of(MODELS, TEN_DAYS[1:4]))


def test_a_session_that_everybody_has_finished_is_passed_over(prepared: ArenaHome, tmp_path: Path) -> None:
    arena = copy_of(prepared, tmp_path)
    trade(arena, MODELS, TEN_DAYS[:2])
    with arena.instance() as instance:
        tick = schedule_tick(arena, instance, close_of(OCT_03))
    assert not tick.run_requests
    assert tick.skip_message == f"up to date: {OCT_03}"


def test_the_run_that_the_schedule_asks_for_does_the_day(prepared: ArenaHome, tmp_path: Path) -> None:
    arena = copy_of(prepared, tmp_path)
    arena.mart.unlink()
    with arena.instance() as instance:
        request = the_request(schedule_tick(arena, instance, close_of(OCT_03)))
    assert launch(arena, request).success
    assert set(arena.all_records()) == cells_of(MODELS, (OCT_02, OCT_03))
    assert sorted(arena.rows("SELECT model, date, sessions FROM leaderboard")) == [
        ("=cash", day(OCT_03), 2),
        (HOLD, day(OCT_03), 2),
        (CASH, day(OCT_03), 2),
    ]


# --- which days are sessions ---


@pytest.mark.parametrize(
    "date",
    [
        pytest.param("2025-10-04", id="a Saturday"),
        pytest.param("2025-11-27", id="Thanksgiving"),
        pytest.param("2025-12-25", id="Christmas"),
        pytest.param("2026-01-02", id="after the arena's end"),
        pytest.param("2025-10-01", id="before its beginning"),
    ],
)
def test_a_day_without_a_session_is_passed_over(
    prepared: ArenaHome, shared_instance: dg.DagsterInstance, date: str
) -> None:
    tick = schedule_tick(prepared, shared_instance, close_of(date))
    assert not tick.run_requests
    assert tick.skip_message == f"{date} is no session of the arena"


@pytest.mark.parametrize("date", ["2025-11-28", "2025-12-24"])
def test_a_half_day_is_a_session(prepared: ArenaHome, shared_instance: dg.DagsterInstance, date: str) -> None:
    request = the_request(schedule_tick(prepared, shared_instance, close_of(date)))
    assert request.run_key == date
    assert max(asked_for([request], prepared)).date == day(date)


def test_every_session_around_the_holidays_is_asked_for_once(
    prepared: ArenaHome, shared_instance: dg.DagsterInstance
) -> None:
    ticks = ticks_between(prepared, "2025-12-15", "2026-01-02")
    asked = [
        request.run_key
        for moment in ticks
        for request in schedule_tick(prepared, shared_instance, moment).run_requests or ()
    ]
    assert len(asked) == 12
    assert asked == [str(date) for date in axes_of(prepared.settings).dates() if date >= day("2025-12-15")]


# --- when it ticks ---


@pytest.mark.parametrize(
    "hours",
    [
        pytest.param({"2025-10-31": 20, "2025-11-03": 21, "2025-11-04": 21}, id="autumn"),
        pytest.param({"2026-03-06": 21, "2026-03-09": 20, "2026-03-10": 20}, id="spring"),
    ],
)
def test_it_ticks_at_half_past_four_in_new_york_on_both_sides_of_a_change_of_clocks(
    prepared: ArenaHome, hours: dict[str, int]
) -> None:
    ticks = ticks_between(prepared, min(hours), max(hours))
    assert {moment.astimezone(NEW_YORK).time() for moment in ticks} == {dt.time(16, 30)}
    assert {str(moment.astimezone(dt.UTC).date()): moment.astimezone(dt.UTC).hour for moment in ticks} == hours


def test_it_ticks_half_an_hour_after_the_close_of_the_exchange_that_the_config_names(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline(CASH)], FLAT)
    reconfigure(arena, market={"calendar": "XTKS"})
    schedule = the_schedule(arena)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 16 * * 1-5", "Asia/Tokyo")
    axes = axes_of(arena.settings)
    assert axes.sessions.timezone == "Asia/Tokyo"
    assert day("2025-10-13") not in axes.dates()  # Sports Day


def test_it_costs_money_and_waits_until_somebody_turns_it_on(prepared: ArenaHome) -> None:
    assert the_schedule(prepared).default_status is dg.DefaultScheduleStatus.STOPPED
