"""Processes that are killed, and processes that run at the same time: nothing is lost, torn or done twice."""

import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena

pytestmark = pytest.mark.slow

FIRST, LAST = "2012-10-01", "2012-10-10"
MODELS = ("cash", "buy-and-hold", "momentum")
CELLS = 8 * len(MODELS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Eight sessions of three models, run without any trouble."""
    arena = sample_arena(tmp_path_factory.mktemp("undisturbed"), FIRST, LAST, MODELS)
    assert f"{CELLS} of {CELLS} model-days run" in arena.ok("run").said
    return arena


def new_arena(folder: Path) -> ArenaHome:
    return sample_arena(folder, FIRST, LAST, MODELS)


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool], seconds: float = 60) -> None:
    """Kill a process the moment that it has got so far."""
    end = time.monotonic() + seconds
    while not reached():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"it was not caught in time, status {process.returncode}: {out}{err}")
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def assert_same(arena: ArenaHome, undisturbed: ArenaHome) -> None:
    """The records and the mart are those of a run without trouble, and nothing else lies about."""
    assert arena.essences() == undisturbed.essences()
    assert arena.tables() == undisturbed.tables()
    names = {path.name for path in (arena.home / "records").rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("date=")} <= {".lock"}
    assert {path.name for path in arena.home.iterdir()} == {"records", "dagster", "aitrader.duckdb"}
    assert arena.ok("run").said == f"Up to date: {CELLS} model-days stand through {LAST}."


def assert_whole_chains(arena: ArenaHome) -> None:
    """Each session opened from the very record, of the very launch, that stands before it."""
    records = arena.all_records()
    for model in MODELS:
        chain = [records[cell] for cell in sorted(records) if cell.model == model]
        for before, record in pairwise(chain):
            assert record.opened_from == before.ref


def test_killed_again_and_again_a_run_is_finished_by_the_same_command(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    records, writing = arena.home / "records", Path(f"{arena.mart}.wal")
    last = [records / f"model={model}" / f"date={LAST}.json" for model in MODELS]
    moments: dict[str, Callable[[], bool]] = {
        "before the first session": arena.mart.exists,
        "among its sessions": lambda: len(list(records.glob("*/date=*.json"))) >= 5,
        "while it writes the books": lambda: all(path.exists() for path in last) and writing.exists(),
    }
    standing: dict[Cell, str] = {}
    for moment, reached in moments.items():
        kill_when(arena.start("run"), reached)
        launches = arena.launches()
        # What one process finished the next one keeps as it is.
        assert {cell: launches[cell] for cell in standing} == standing, moment
        standing = launches
    assert len(standing) == CELLS
    assert len(set(standing.values())) > 1
    arena.ok("run")
    with arena.instance() as instance:
        runs = instance.get_runs()
    assert [run.run_id for run in runs if not run.is_finished] == []
    assert len([run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]) == len(moments)
    assert arena.launches() == standing
    assert_whole_chains(arena)
    assert_same(arena, undisturbed)


def test_two_processes_at_once_share_the_work_and_run_nothing_twice(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    processes = [arena.start("run"), arena.start("run")]
    said = []
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert (process.returncode, out) == (0, ""), err
        said.append(err)
    assert_whole_chains(arena)
    launches = arena.launches()
    # A model's chain is one process's from the first session to the last: the other one waited and found it done.
    for model in MODELS:
        assert len({launch for cell, launch in launches.items() if cell.model == model}) == 1
    assert_same(arena, undisturbed)


def test_interrupted_a_run_ends_at_once_and_is_finished_by_the_same_command(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    records = arena.home / "records"
    process = arena.start("run")
    end = time.monotonic() + 60
    while len(list(records.glob("*/date=*.json"))) < 5 and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "interrupted; what is finished is kept" in said
    assert not list(records.rglob("*.partial"))
    arena.ok("run")
    assert_same(arena, undisturbed)
