"""Launches: the runs of one user action share their sessions, in whatever order they start."""

import shutil
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from aitrader_pipeline.automation.launching import Launcher, Plan, Slice
from aitrader_pipeline.errors import CallError
from aitrader_pipeline.partitions import Block
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import QUIET, ArenaHome, failures_of, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import add_backfill
from aitrader_pipeline_tests.markets import FLAT, OCT_02, OCT_03, TEN_DAYS, baseline, cells_of, day

SESSIONS = "agent_sessions"
MODELS = ("cash", "buy_and_hold")
DAYS = TEN_DAYS[:3]
BACKFILL = "cutbydate"

# Building what the server stores of a backfill still goes through a method that Dagster itself deprecates.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Ten flat days, two baselines, prices loaded; no session yet."""
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, FLAT, last="2025-10-31")
    assert arena.materialise("prices").success
    return arena


@pytest.fixture
def arena(prepared: ArenaHome, tmp_path: Path) -> ArenaHome:
    """A copy of it, to run sessions in."""
    shutil.copytree(prepared.folder, tmp_path, dirs_exist_ok=True)
    return ArenaHome(tmp_path, {"AITRADER_CONFIG": str(tmp_path / "config.json")})


def store_backfill(arena: ArenaHome, cells: Iterable[Cell]) -> None:
    """The launch of these cells that the pieces are cut from."""
    with arena.instance() as instance:
        add_backfill(arena, instance, cells, BACKFILL)


def run_piece(arena: ArenaHome, first: str, last: str, models: tuple[str, ...] = MODELS) -> set[str]:
    """A run of the backfill over a rectangle, as Dagster launches it; the partitions it reported."""
    tags = {**Block(day(first), day(last), models).tags(), "dagster/backfill": BACKFILL}
    result = arena.materialise(SESSIONS, tags=tags)
    assert result.success, failures_of(result)
    return {str(m.partition) for m in result.asset_materializations_for_node(SESSIONS)}


def assert_chains(arena: ArenaHome, models: Iterable[str], days: Iterable[str], launch: str) -> None:
    """Every cell was written once, by this launch, and opened from the very record before it."""
    records = arena.all_records()
    assert set(records) == cells_of(models, days)
    for model in models:
        chain = [records[Cell(day(date), model)] for date in days]
        assert {record.launch for record in chain} == {launch}
        assert chain[0].opened_from is None
        for before, record in pairwise(chain):
            assert record.opened_from == before.ref
            assert record.start == before.end
            assert record.started_at >= before.finished_at


# --- backfills ---


def test_a_backfill_that_is_cut_by_date_runs_in_order_whichever_piece_starts_first(arena: ArenaHome) -> None:
    store_backfill(arena, cells_of(MODELS, DAYS))
    assert run_piece(arena, DAYS[2], DAYS[2]) == set(map(str, cells_of(MODELS, DAYS)))
    assert_chains(arena, MODELS, DAYS, BACKFILL)
    written = {cell: record.to_json() for cell, record in arena.all_records().items()}
    # The pieces that come later find their days done by the launch: they report them and run nothing.
    for date in DAYS[:2]:
        assert run_piece(arena, date, date) == set(map(str, cells_of(MODELS, date)))
    assert {cell: record.to_json() for cell, record in arena.all_records().items()} == written


def test_a_backfill_that_replaces_finished_days_ignores_what_an_earlier_launch_left(arena: ArenaHome) -> None:
    arena.ok("run", "--end", DAYS[-1])
    store_backfill(arena, cells_of(MODELS, DAYS))
    run_piece(arena, DAYS[1], DAYS[1])
    launches = {(cell.date.isoformat(), launch == BACKFILL) for cell, launch in arena.launches().items()}
    assert launches == {(DAYS[0], True), (DAYS[1], True), (DAYS[2], False)}
    run_piece(arena, DAYS[2], DAYS[2])
    run_piece(arena, DAYS[0], DAYS[0])
    assert_chains(arena, MODELS, DAYS, BACKFILL)


def test_a_piece_of_a_backfill_runs_only_its_own_models(arena: ArenaHome) -> None:
    store_backfill(arena, cells_of(MODELS, DAYS))
    run_piece(arena, DAYS[0], DAYS[2], ("cash",))
    assert set(arena.all_records()) == cells_of("cash", DAYS)


def test_a_backfill_does_not_run_days_that_it_did_not_ask_for(arena: ArenaHome) -> None:
    store_backfill(arena, cells_of(MODELS, DAYS[1:]))
    tags = {**Block(day(DAYS[2]), day(DAYS[2]), MODELS).tags(), "dagster/backfill": BACKFILL}
    message = failures_of(arena.materialise(SESSIONS, tags=tags))[SESSIONS]
    assert f"cash has no session on {DAYS[0]}, which {DAYS[1]} opens from: run {DAYS[0]} first" in message
    assert "2 of 2 models failed; 0 of 2 model-days stand." in message
    assert arena.all_records() == {}


def test_a_retry_belongs_to_the_launch_of_the_run_that_it_retries_and_repeats_nothing(arena: ArenaHome) -> None:
    prices = arena.folder / "prices.csv"
    whole = prices.read_text(encoding="utf-8")
    prices.write_text(whole.replace(f"AAPL,{DAYS[2]}", f"IBM,{DAYS[2]}"), encoding="utf-8")
    reconfigure(arena, agent_config={"stock_symbols": ["AAPL"]})
    arena.mart.unlink()
    arena.materialise("prices")
    tags = Block(day(DAYS[0]), day(DAYS[2]), MODELS).tags()
    with arena.instance() as instance:
        job = ReconstructableRepository.for_module(
            "aitrader_pipeline.definitions", "defs"
        ).get_reconstructable_job("__ASSET_JOB")
        sessions = [dg.AssetKey(SESSIONS)]
        with dg.execute_job(
            job, instance, run_config=QUIET, tags=tags, asset_selection=sessions, raise_on_error=False
        ) as failed:
            assert not failed.success
        written = {cell: record.to_json() for cell, record in arena.all_records().items()}
        assert set(written) == cells_of(MODELS, DAYS[:2])
        prices.write_text(whole, encoding="utf-8")
        arena.materialise("prices")
        retry = dg.ReexecutionOptions(parent_run_id=failed.run_id)
        with dg.execute_job(
            job, instance, run_config=QUIET, tags=tags, asset_selection=sessions, reexecution_options=retry
        ) as retried:
            assert retried.success
    assert retried.run_id != failed.run_id
    assert_chains(arena, MODELS, DAYS, failed.run_id)
    assert {cell: arena.all_records()[cell].to_json() for cell in written} == written


# --- what is still owed ---


def plan(arena: ArenaHome, wanted: Slice) -> Plan:
    with arena.instance() as instance:
        return Launcher(arena.settings, instance).plan(wanted)


def test_a_slice_owes_what_is_missing_of_it(arena: ArenaHome) -> None:
    arena.ok("run", "--end", DAYS[1], "--models", "cash")
    owed = plan(arena, Slice(end=day(DAYS[2])))
    assert owed.wanted == cells_of(MODELS, DAYS)
    assert owed.to_trade == cells_of("buy_and_hold", DAYS) | cells_of("cash", DAYS[2])
    assert owed.to_score == frozenset()


def test_a_slice_that_replaces_owes_all_of_it(arena: ArenaHome) -> None:
    arena.ok("run", "--end", DAYS[2])
    owed = plan(arena, Slice(start=day(DAYS[1]), end=day(DAYS[2]), models=("cash",), replace=True))
    assert owed.to_trade == owed.wanted == cells_of("cash", DAYS[1:])


def test_without_an_end_a_slice_goes_to_the_newest_session_with_prices(prepared: ArenaHome) -> None:
    assert plan(prepared, Slice()).wanted == cells_of(MODELS, TEN_DAYS)


def test_a_session_that_stands_but_that_dagster_never_heard_of_is_reported_and_not_run_again(
    arena: ArenaHome,
) -> None:
    arena.ok("run", "--end", DAYS[1])
    launches = arena.launches()
    with arena.instance() as instance:
        instance.wipe_assets([dg.AssetKey(SESSIONS)])
    assert plan(arena, Slice(end=day(DAYS[1]))).to_trade == cells_of(MODELS, DAYS[:2])
    arena.ok("run", "--end", DAYS[1])
    assert arena.launches() == launches
    with arena.instance() as instance:
        known = instance.get_materialized_partitions(dg.AssetKey(SESSIONS))
    assert known == set(map(str, cells_of(MODELS, DAYS[:2])))


def test_a_record_that_is_gone_is_run_again_though_dagster_remembers_it(arena: ArenaHome) -> None:
    arena.ok("run", "--end", DAYS[1])
    arena.records.path("cash", day(DAYS[1])).unlink()
    assert plan(arena, Slice(end=day(DAYS[1]))).to_trade == cells_of("cash", DAYS[1])


def test_a_session_that_was_run_again_by_itself_still_owes_its_tables(arena: ArenaHome) -> None:
    arena.ok("run", "--end", DAYS[1])
    assert arena.materialise(SESSIONS, partition_key=f"{DAYS[1]}|cash").success
    owed = plan(arena, Slice(end=day(DAYS[1])))
    assert (owed.to_trade, owed.to_score) == (frozenset(), cells_of("cash", DAYS[1]))
    arena.ok("run", "--end", DAYS[1])
    assert plan(arena, Slice(end=day(DAYS[1]))).to_score == frozenset()
    jobs = {Cell(date, model): job for date, model, job in arena.rows("SELECT date, model, job_id FROM positions")}
    assert jobs == arena.launches()


def test_an_unknown_model_is_told_with_those_there_are(prepared: ArenaHome) -> None:
    with pytest.raises(CallError, match=r"unknown models x, y; config\.json enables: cash, buy_and_hold"):
        plan(prepared, Slice(models=("x", "cash", "y")))


def test_a_model_named_twice_is_run_once(prepared: ArenaHome) -> None:
    assert plan(prepared, Slice(end=day(OCT_02), models=("cash", "cash"))).wanted == cells_of("cash", OCT_02)


def test_a_model_that_joins_later_is_owed_from_the_first_session(arena: ArenaHome) -> None:
    arena.ok("run", "--end", OCT_03)
    reconfigure(arena, models=[*(baseline(name) for name in MODELS), baseline("equal_weight")])
    assert plan(arena, Slice(end=day(OCT_03))).to_trade == cells_of("equal_weight", (OCT_02, OCT_03))
