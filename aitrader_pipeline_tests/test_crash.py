"""Processes that are killed, and processes that run at the same time: nothing is lost, torn or done twice."""

import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena

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


def finish(arena: ArenaHome) -> dict[Cell, str]:
    """Run the same command again; the launches of the sessions that had stood before it."""
    standing = arena.launches()
    for record in arena.all_records().values():
        assert record.end_reason == "finished"
    arena.ok("run")
    with arena.instance() as instance:
        assert [run.run_id for run in instance.get_runs() if not run.is_finished] == []
    return standing


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


def test_killed_among_its_sessions_a_run_is_finished_by_the_same_command(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    records = arena.home / "records"
    kill_when(arena.start("run"), lambda: len(list(records.glob("*/date=*.json"))) >= 5)
    standing = finish(arena)
    assert 5 <= len(standing) < CELLS
    assert {cell: launch for cell, launch in arena.launches().items() if cell in standing} == standing
    assert_whole_chains(arena)
    assert_same(arena, undisturbed)


def test_killed_while_it_writes_the_books_a_run_is_finished_by_the_same_command(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    records = arena.home / "records"
    process = arena.start("run")
    last = [records / f"model={model}" / f"date={LAST}.json" for model in MODELS]
    kill_when(process, lambda: all(path.exists() for path in last) and Path(f"{arena.mart}.wal").exists())
    standing = finish(arena)
    assert len(standing) == CELLS
    assert arena.launches() == standing
    assert_same(arena, undisturbed)


def test_killed_before_its_first_session_a_run_is_finished_by_the_same_command(
    undisturbed: ArenaHome, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path)
    kill_when(arena.start("run"), arena.mart.exists)
    assert finish(arena) == {}
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
