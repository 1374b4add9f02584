"""What fetches prices by itself: the schedule after the close, and the sensor that fills gaps."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.automation.fetching import fetching_schedules
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline_tests.arena_homes import ArenaHome, failures_of, reconfigure
from aitrader_pipeline_tests.dagster_ticks import add_run, assets_of, launch, sensor_tick
from aitrader_pipeline_tests.market.test_fetch_prices import arena_of
from aitrader_pipeline_tests.price_vendors import SESSIONS, PriceVendors, price_vendors, with_actions

FETCHED = {"raw_prices", "prices", "corporate_actions", "coverage"}


@pytest.fixture
def vendors() -> Iterator[PriceVendors]:
    with price_vendors() as running:
        yield with_actions(running)


def skipped(arena: ArenaHome, instance: dg.DagsterInstance) -> str:
    tick = sensor_tick(arena, instance, "fill_price_gaps")
    assert not tick.run_requests
    return str(tick.skip_message)


def test_the_sensor_fills_the_gaps_and_then_rests(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    with arena.instance() as instance:
        (request,) = sensor_tick(arena, instance, "fill_price_gaps").run_requests or ()
    assert assets_of(request) == FETCHED
    result = launch(arena, request)
    assert failures_of(result) == {}
    assert arena.rows("SELECT count(*) FROM prices") == [(8,)]
    with arena.instance() as instance:
        assert skipped(arena, instance) == "nothing is missing that the vendor has not been asked for"


def test_a_gap_is_asked_for_once_in_some_hours_and_a_new_one_at_once(
    vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path)
    with arena.instance() as instance:
        (first,) = sensor_tick(arena, instance, "fill_price_gaps").run_requests or ()
        (again,) = sensor_tick(arena, instance, "fill_price_gaps").run_requests or ()
        reconfigure(arena, agent_config={"stock_symbols": ["AAPL", "BRK.B", "NEW"]})
        (other,) = sensor_tick(arena, instance, "fill_price_gaps").run_requests or ()
    assert first.run_key == again.run_key != other.run_key


def test_the_sensor_waits_while_prices_are_fetched(vendors: PriceVendors, tmp_path: Path) -> None:
    arena = arena_of(vendors, tmp_path)
    with arena.instance() as instance:
        add_run(instance, None, dg.DagsterRunStatus.STARTED, assets=("raw_prices",))
        assert skipped(arena, instance) == "prices are being fetched"


def test_a_symbol_that_fails_is_left_alone_by_the_sensor_for_a_day(vendors: PriceVendors, tmp_path: Path) -> None:
    del vendors.bars["BRK.B"]
    arena = arena_of(vendors, tmp_path)
    arena.ok("prices", "fetch")
    with arena.instance() as instance:
        assert skipped(arena, instance) == "nothing is missing that the vendor has not been asked for"
    arena.corrupt("UPDATE price_fetches SET fetched_at = fetched_at - INTERVAL 25 HOUR WHERE error IS NOT NULL")
    with arena.instance() as instance:
        assert sensor_tick(arena, instance, "fill_price_gaps").run_requests


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (dt.datetime(2025, 10, 29, 21, 30, tzinfo=dt.UTC), None),
        (dt.datetime(2025, 10, 31, 21, 30, tzinfo=dt.UTC), "the arena has ended on 2025-10-30"),
        (dt.datetime(2025, 10, 27, 21, 30, tzinfo=dt.UTC), "2025-10-27 is no session of the arena"),
    ],
)
def test_the_schedule_fetches_after_each_session_of_the_arena(
    moment: dt.datetime, told: str | None, vendors: PriceVendors, tmp_path: Path
) -> None:
    arena = arena_of(vendors, tmp_path)
    (schedule,) = fetching_schedules(arena.settings)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 17 * * 1-5", "America/New_York")
    with arena.instance() as instance:
        repository = build_definitions(arena.settings).get_repository_def()
        local = moment.astimezone(dt.timezone(dt.timedelta(hours=-4)))
        context = dg.build_schedule_context(instance, scheduled_execution_time=local, repository_def=repository)
        tick = schedule.evaluate_tick(context)
    if told:
        assert tick.skip_message == told
    else:
        (request,) = tick.run_requests or ()
        assert (assets_of(request), request.run_key) == (FETCHED, str(SESSIONS[2]))


def test_an_arena_on_files_has_neither(tmp_path: Path) -> None:
    definitions = build_definitions(ArenaHome(tmp_path).settings)
    names = {found.name for found in (*(definitions.schedules or ()), *(definitions.sensors or ()))}
    assert not names & {"fetch_after_the_close", "fill_price_gaps"}
