"""The backlog: exactly what is missing, and never what somebody has already been asked for."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from aitrader_pipeline.automation.backlog import (
    Backlog,
    backlog_of,
    missing_records,
    newest_session,
    unscored_sessions,
)
from aitrader_pipeline.catalog import BOOKS, SESSIONS
from aitrader_pipeline.partitions import axes_of
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import add_backfill, add_run, block_of, end_backfill, trade
from aitrader_pipeline_tests.markets import FLAT, TEN_DAYS, baseline, cells_of, day

CASH, HOLD, EQUAL = "cash", "buy_and_hold", "equal_weight"
MODELS = (CASH, HOLD)

# Building what the server stores of a backfill still goes through a method that Dagster itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Two baselines, prices of ten sessions loaded, the first three sessions run and scored."""
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, FLAT)
    arena.ok("run", "--end", TEN_DAYS[2])
    return arena


# The eve of the arena's eleventh session.
EVE = dt.datetime(2025, 10, 15, 22, tzinfo=dt.UTC)


def backlog(arena: ArenaHome, instance: dg.DagsterInstance, now: dt.datetime = EVE) -> Backlog:
    settings = arena.settings
    return backlog_of(settings, axes_of(settings), instance, now)


def unscored(arena: ArenaHome, instance: dg.DagsterInstance) -> frozenset[object]:
    return frozenset(unscored_sessions(axes_of(arena.settings), instance))


# --- what is missing ---


@pytest.mark.slow
def test_everything_from_the_last_record_to_the_newest_prices_is_due(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    found = backlog(arena, instance)
    # The arena goes on to the end of the month: there is nothing to trade on without prices.
    assert found == Backlog(day(TEN_DAYS[-1]), cells_of(MODELS, TEN_DAYS[3:]), frozenset())
    assert found.due == found.missing


def test_a_gap_before_the_last_record_is_missing_as_well(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    arena.records.path(CASH, day(TEN_DAYS[1])).unlink()
    expected = cells_of(MODELS, TEN_DAYS[3:]) | cells_of(CASH, TEN_DAYS[1])
    assert backlog(arena, instance).due == expected


def test_a_model_that_joined_later_owes_every_session_from_the_first(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    reconfigure(arena, models=[baseline(name) for name in (*MODELS, EQUAL)])
    assert backlog(arena, instance).due == cells_of(MODELS, TEN_DAYS[3:]) | cells_of(EQUAL, TEN_DAYS)


def test_a_model_that_is_switched_off_owes_nothing(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    reconfigure(arena, models=[baseline(CASH), {**baseline(HOLD), "enabled": False}])
    assert backlog(arena, instance).due == cells_of(CASH, TEN_DAYS[3:])


def test_without_prices_nothing_is_due(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline(CASH)], FLAT)
    with arena.instance() as instance:
        assert backlog(arena, instance) == Backlog(None, frozenset(), frozenset())


def test_prices_of_other_days_than_the_arena_s_are_no_reason_to_trade(prepared: ArenaHome) -> None:
    after = [day("2025-11-03"), day("2025-11-04")]
    assert newest_session(prepared.settings, after) is None
    assert newest_session(prepared.settings, [day(TEN_DAYS[4]), *after]) == day(TEN_DAYS[4])


def test_only_the_dates_that_are_asked_about_are_missing(prepared: ArenaHome) -> None:
    dates = [day(TEN_DAYS[2]), day(TEN_DAYS[5])]
    assert missing_records(prepared.settings, dates) == cells_of(MODELS, TEN_DAYS[5])


@pytest.mark.parametrize(
    ("moment", "unpriced"),
    [
        ("2025-10-16T19:59:59+00:00", []),
        ("2025-10-16T20:00:00+00:00", ["2025-10-16"]),
        ("2025-10-19T12:00:00+00:00", ["2025-10-16", "2025-10-17"]),
    ],
)
def test_a_session_that_is_over_and_has_no_prices_is_awaited_from_its_close_on(
    arena: ArenaHome, instance: dg.DagsterInstance, moment: str, unpriced: list[str]
) -> None:
    found = backlog(arena, instance, dt.datetime.fromisoformat(moment))
    assert found.unpriced == tuple(map(day, unpriced))
    assert found.due == cells_of(MODELS, TEN_DAYS[3:])


# --- what is under way ---


def test_what_an_unfinished_run_was_asked_for_is_not_due(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    unfinished = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
    for status, date in zip(unfinished, TEN_DAYS[3:], strict=False):
        add_run(instance, block_of(MODELS, [date]), dg.DagsterRunStatus(status))
    found = backlog(arena, instance)
    assert found.under_way == cells_of(MODELS, TEN_DAYS[3:8])
    # The later days open from these.
    assert found.due == frozenset()


def test_what_a_finished_run_left_undone_is_due_again(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    for status in ("SUCCESS", "FAILURE", "CANCELED"):
        add_run(instance, block_of(MODELS, TEN_DAYS[3:5]), dg.DagsterRunStatus(status))
    assert backlog(arena, instance).under_way == frozenset()


def test_the_single_cell_of_a_run_is_not_due(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    add_run(instance, None, tags={"dagster/partition": f"{TEN_DAYS[3]}|{HOLD}"})
    assert backlog(arena, instance).under_way == cells_of(HOLD, TEN_DAYS[3])


def test_a_run_that_only_scores_its_cells_leaves_their_sessions_due(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    add_run(instance, block_of(MODELS, TEN_DAYS[3:5]), assets=BOOKS)
    assert backlog(arena, instance).under_way == frozenset()


def test_what_a_backfill_was_asked_for_is_not_due_though_it_has_no_run_yet(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    asked = cells_of(CASH, (TEN_DAYS[3], TEN_DAYS[7])) | cells_of(HOLD, TEN_DAYS[4])
    backfill = add_backfill(arena, instance, asked, "catchup1")
    assert backlog(arena, instance).under_way == asked
    assert backlog(arena, instance).due == cells_of(HOLD, TEN_DAYS[3])
    end_backfill(instance, backfill, BulkActionStatus.CANCELED)
    assert backlog(arena, instance).under_way == frozenset()


# --- what has no books ---


def test_sessions_that_stand_without_books_are_unscored(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    assert unscored(arena, instance) == frozenset()
    trade(arena, MODELS, TEN_DAYS[3:4])
    assert unscored(arena, instance) == cells_of(MODELS, TEN_DAYS[3])


def test_sessions_that_are_being_scored_are_left_to_that_run(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, MODELS, TEN_DAYS[3:4])
    add_run(instance, block_of((CASH,), TEN_DAYS[3:4]), assets=BOOKS)
    assert unscored(arena, instance) == cells_of(HOLD, TEN_DAYS[3])
    add_run(instance, block_of((HOLD,), TEN_DAYS[3:4]), assets=(SESSIONS,))
    assert unscored(arena, instance) == cells_of(HOLD, TEN_DAYS[3])


def test_sessions_of_days_that_have_left_the_arena_are_not_scored(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, MODELS, TEN_DAYS[3:5])
    reconfigure(arena, date_range={"end_date": TEN_DAYS[3]})
    assert unscored(arena, instance) == cells_of(MODELS, TEN_DAYS[3])
