"""Launches: which cells a run was given, which it has reported, and that a range reports no cell by itself."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from aitrader_pipeline.automation.sensors import session_request
from aitrader_pipeline.catalog import BOOKS, SESSIONS
from aitrader_pipeline.own_events import own_events
from aitrader_pipeline.partitions import Axes, axes_of
from aitrader_pipeline.trading.launches import (
    cells_of_run,
    cells_under_way,
    launch_of,
    reports_of_run,
)
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.dagster_ticks import add_backfill, add_run, block_of, end_backfill, launch
from aitrader_pipeline_tests.markets import OCT_02, OCT_03, OCT_06, OCT_07, TEN_DAYS, baseline, cells_of

CASH, HOLD, EQUAL = "cash", "buy_and_hold", "equal_weight"
MODELS = (CASH, HOLD, EQUAL)
SESSIONS_KEY = dg.AssetKey(SESSIONS)
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

# Building what the server stores of a backfill still goes through a method that Dagster itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Three baselines; prices of the first two sessions and of the fourth."""
    quotes = {"AAPL": dict.fromkeys((OCT_02, OCT_03, OCT_07), ("100", "101"))}
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, quotes)
    assert arena.materialise("prices").success
    return arena


@pytest.fixture(scope="module")
def axes(prepared: ArenaHome) -> Axes:
    return axes_of(prepared.settings)


def run_with(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="__ASSET_JOB", tags=tags)


# --- the cells of a run ---


def test_a_run_of_a_range_was_given_the_rectangle_between_its_ends(axes: Axes) -> None:
    run = run_with(**{START: f"{OCT_03}|{HOLD}", END: f"{OCT_07}|{EQUAL}"})
    assert cells_of_run(run, axes) == cells_of((HOLD, EQUAL), (OCT_03, OCT_06, OCT_07))


def test_the_cells_of_a_range_are_those_that_dagster_itself_counts(axes: Axes) -> None:
    ends = (f"{OCT_03}|{CASH}", f"{OCT_07}|{HOLD}")
    keys = axes.grid.get_partition_keys_in_range(dg.PartitionKeyRange(*ends))
    cells = cells_of_run(run_with(**dict(zip((START, END), ends, strict=True))), axes)
    assert set(map(str, cells)) == set(keys)


def test_a_run_of_one_partition_was_given_one_cell(axes: Axes) -> None:
    assert cells_of_run(run_with(**{"dagster/partition": f"{OCT_03}|{HOLD}"}), axes) == cells_of(HOLD, OCT_03)


def test_a_run_without_partitions_was_given_no_cell(axes: Axes) -> None:
    assert cells_of_run(run_with(), axes) == frozenset()
    assert cells_of_run(run_with(**{START: f"{OCT_03}|{HOLD}"}), axes) == frozenset()


def test_a_range_to_a_model_that_is_gone_counts_for_nothing(axes: Axes) -> None:
    run = run_with(**{START: f"{OCT_03}|{CASH}", END: f"{OCT_07}|somebody-gone"})
    assert cells_of_run(run, axes) == frozenset()


def test_a_model_whose_name_holds_the_separator_s_neighbours_is_read_whole(axes: Axes) -> None:
    run = run_with(**{"dagster/partition": f"{OCT_03}|gpt-5.1_mini"})
    assert cells_of_run(run, axes) == cells_of("gpt-5.1_mini", OCT_03)


# --- the launch of a run ---


def test_a_launch_is_the_backfill_or_the_first_run_of_its_retries() -> None:
    first = run_with()
    retry = dg.DagsterRun(job_name="__ASSET_JOB", root_run_id=first.run_id, parent_run_id="another")
    assert launch_of(first) == launch_of(retry) == first.run_id
    piece = dg.DagsterRun(
        job_name="__ASSET_JOB", root_run_id=first.run_id, parent_run_id="x", tags={"dagster/backfill": "b"}
    )
    assert launch_of(piece) == "b"


# --- what is under way ---


def test_the_cells_under_way_are_those_of_every_unfinished_run_and_backfill(
    arena: ArenaHome, instance: dg.DagsterInstance, axes: Axes
) -> None:
    assert cells_under_way(instance, axes, SESSIONS_KEY) == frozenset()
    add_run(instance, block_of((CASH,), (OCT_02, OCT_03)))
    add_run(instance, block_of((HOLD,), (OCT_02,)), dg.DagsterRunStatus.STARTED)
    add_run(instance, block_of((HOLD,), TEN_DAYS), dg.DagsterRunStatus.SUCCESS)
    backfill = add_backfill(arena, instance, cells_of(EQUAL, (OCT_02, OCT_07)), "backfill")
    runs = cells_of(CASH, (OCT_02, OCT_03)) | cells_of(HOLD, OCT_02)
    assert cells_under_way(instance, axes, SESSIONS_KEY) == runs | cells_of(EQUAL, (OCT_02, OCT_07))
    end_backfill(instance, backfill, BulkActionStatus.COMPLETED_SUCCESS)
    assert cells_under_way(instance, axes, SESSIONS_KEY) == runs


def test_only_runs_that_hold_the_asset_count_for_it(
    arena: ArenaHome, instance: dg.DagsterInstance, axes: Axes
) -> None:
    add_run(instance, block_of((CASH,), (OCT_02,)), assets=(SESSIONS,))
    add_run(instance, block_of((HOLD,), (OCT_02,)), assets=BOOKS)
    add_backfill(arena, instance, cells_of(EQUAL, OCT_02), "backfill")
    assert cells_under_way(instance, axes, dg.AssetKey("daily_pnl")) == cells_of(HOLD, OCT_02)


# --- what a run reports ---


def test_a_run_reports_each_session_that_it_finished_once_whatever_becomes_of_the_rest(arena: ArenaHome) -> None:
    tags = block_of((CASH, HOLD), (OCT_02, OCT_03, OCT_06, OCT_07)).tags()
    result = arena.materialise(SESSIONS, tags=tags)
    assert not result.success
    finished = cells_of((CASH, HOLD), (OCT_02, OCT_03))
    with arena.instance() as instance:
        events = instance.fetch_materializations(SESSIONS_KEY, limit=100).records
        assert sorted(str(event.partition_key) for event in events) == sorted(map(str, finished))
        assert set(reports_of_run(instance, result.run_id)) == finished
        assert instance.get_materialized_partitions(SESSIONS_KEY) == set(map(str, finished))


def test_a_run_that_keeps_what_it_finds_reports_it_too(arena: ArenaHome) -> None:
    tags = block_of((CASH,), (OCT_02, OCT_03)).tags()
    arena.materialise(SESSIONS, tags=tags)
    launches = arena.launches()
    result = launch(arena, session_request(block_of((CASH,), (OCT_02, OCT_03)), run_key="again"))
    assert result.success
    assert arena.launches() == launches
    with arena.instance() as instance:
        assert set(reports_of_run(instance, result.run_id)) == cells_of(CASH, (OCT_02, OCT_03))


def test_books_of_a_run_are_no_reports_of_sessions(arena: ArenaHome) -> None:
    arena.materialise(SESSIONS, tags=block_of((CASH,), (OCT_02, OCT_03)).tags())
    result = arena.materialise(*BOOKS, tags=block_of((CASH,), (OCT_02, OCT_03)).tags())
    assert result.success
    with arena.instance() as instance:
        assert reports_of_run(instance, result.run_id) == {}


# --- whose events those of a step are ---

LETTERS = dg.StaticPartitionsDefinition(["a", "b", "c"])
RANGE = {START: "a", END: "c"}


def letters_reported(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> list[str]:
    """The partitions that one run over all of them reports."""
    result = dg.materialize([asset], instance=instance, tags=RANGE, raise_on_error=False)
    return sorted(str(event.partition) for event in result.asset_materializations_for_node("letters"))


def test_a_step_that_reports_by_itself_reports_each_partition_once_and_no_other() -> None:
    tags_after: list[dict[str, str]] = []

    @dg.asset(name="letters", partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
    def own(context: dg.AssetExecutionContext) -> Iterator[object]:
        with own_events(context):
            context.log_event(dg.AssetMaterialization("letters", partition="b"))
            yield dg.MaterializeResult()
        tags_after.append(dict(context.run.tags))

    @dg.asset(name="letters", partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
    def dagster_s(context: dg.AssetExecutionContext) -> None:
        context.log_event(dg.AssetMaterialization("letters", partition="b"))

    with dg.DagsterInstance.ephemeral() as instance:
        assert letters_reported(instance, own) == ["b"]
    with dg.DagsterInstance.ephemeral() as instance:
        assert letters_reported(instance, dagster_s) == ["a", "b", "b", "c"]
    (tags,) = tags_after
    assert {name: value for name, value in tags.items() if name in RANGE} == RANGE
    assert not any("externally" in name for name in tags)


def test_the_steps_after_it_report_their_range_as_ever() -> None:
    @dg.asset(name="letters", partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
    def own(context: dg.AssetExecutionContext) -> Iterator[object]:
        with own_events(context):
            context.log_event(dg.AssetMaterialization("letters", partition="b"))
            yield dg.MaterializeResult()

    @dg.asset(deps=[own], partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
    def words() -> None:
        return

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([own, words], instance=instance, tags=RANGE)
    reported = sorted(str(event.partition) for event in result.asset_materializations_for_node("words"))
    assert reported == ["a", "b", "c"]


def test_after_a_failure_the_step_s_events_are_dagster_s_again() -> None:
    seen: list[bool] = []

    @dg.asset(name="letters", partitions_def=LETTERS, backfill_policy=dg.BackfillPolicy.single_run())
    def own(context: dg.AssetExecutionContext) -> None:
        try:
            with own_events(context):
                raise dg.Failure("no")
        finally:
            seen.append(any("externally" in name for name in context.run.tags))

    with dg.DagsterInstance.ephemeral() as instance:
        assert letters_reported(instance, own) == []
    assert seen == [False]
