"""Runs whose process has died: the next command ends them, and nothing stays running for ever."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.automation.abandoned import end_abandoned_runs, process_tags
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.dagster_ticks import add_run, block_of, copy_of, sensor_tick
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, TEN_DAYS, baseline, model
from aitrader_pipeline_tests.openai_server import after, finishes, openai_server

CASH, SLOW = "cash", "slow"
TAG = "aitrader/process"
STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), [baseline(CASH)], FLAT)
    assert arena.materialise("prices").success
    return arena


@pytest.fixture
def arena(prepared: ArenaHome, tmp_path: Path) -> ArenaHome:
    return copy_of(prepared, tmp_path)


@pytest.fixture
def instance(arena: ArenaHome) -> Iterator[dg.DagsterInstance]:
    with arena.instance() as instance:
        yield instance


def run_by(
    instance: dg.DagsterInstance,
    process: str | None,
    status: dg.DagsterRunStatus = STARTED,
) -> dg.DagsterRun:
    tags = {TAG: process} if process else {}
    return add_run(instance, block_of((CASH,), TEN_DAYS[:2]), status, tags=tags)


def a_dead_process() -> int:
    """The id of a process that has ended."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    return child


def test_a_run_says_by_which_process_of_which_machine_it_is_run() -> None:
    assert process_tags() == {TAG: f"{socket.gethostname()}:{os.getpid()}"}


def test_runs_of_a_process_that_is_gone_are_ended_and_say_what_to_do(instance: dg.DagsterInstance) -> None:
    here = socket.gethostname()
    dead = [
        run_by(instance, f"{here}:{a_dead_process()}", dg.DagsterRunStatus(status))
        for status in ("NOT_STARTED", "STARTING", "STARTED")
    ]
    assert sorted(end_abandoned_runs(instance)) == sorted(run.run_id for run in dead)
    for run in dead:
        stored = instance.get_run_by_id(run.run_id)
        assert stored is not None
        assert stored.status is dg.DagsterRunStatus.FAILURE
        (event,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert event.get_dagster_event().message == (
            "its process has died; what was finished is kept, launch the same again"
        )
    assert end_abandoned_runs(instance) == []


def test_runs_of_a_process_that_lives_or_of_another_machine_or_of_the_daemon_go_on(
    instance: dg.DagsterInstance,
) -> None:
    runs = [
        run_by(instance, f"{socket.gethostname()}:{os.getppid()}"),
        run_by(instance, f"{socket.gethostname()}:1"),
        run_by(instance, f"another-machine:{a_dead_process()}"),
        run_by(instance, None),
        run_by(instance, None, dg.DagsterRunStatus.QUEUED),
    ]
    assert end_abandoned_runs(instance) == []
    statuses = [run.status for run in runs]
    assert [found.status for run in runs if (found := instance.get_run_by_id(run.run_id))] == statuses


def test_a_run_of_this_process_s_own_number_is_one_from_before_a_restart(instance: dg.DagsterInstance) -> None:
    # In a container the first process has the same number every time.
    run = run_by(instance, f"{socket.gethostname()}:{os.getpid()}")
    assert end_abandoned_runs(instance) == [run.run_id]


def test_a_machine_s_name_may_hold_a_colon(instance: dg.DagsterInstance) -> None:
    run_by(instance, f"host:port:{a_dead_process()}")
    assert end_abandoned_runs(instance) == []


def test_after_a_kill_the_next_command_tells_the_run_as_failed_and_nothing_stays_running(tmp_path: Path) -> None:
    with openai_server() as endpoint:
        endpoint.respond(SLOW, lambda _: after(0.3, finishes()))
        arena = priced_arena(tmp_path, [baseline(CASH), model(SLOW, endpoint.base_url)], FLAT)
        arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        process = arena.start("run")
        try:
            end = time.monotonic() + 60
            while not list(arena.home.glob(f"records/model={SLOW}/date=*.json")):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            running = arena.ok("status", "--format", "json").json
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert running["status"] == "running"
    assert [cell["model"] for cell in running["progress"]["current"]] == [SLOW]

    answer = arena.ok("status", "--format", "json")
    assert f"run {running['job_id']} was marked as failed: its process is gone" in answer.said
    job = answer.json
    assert (job["job_id"], job["status"]) == (running["job_id"], "partial")
    assert job["error"] == "its process has died; what was finished is kept, launch the same again"
    progress = job["progress"]
    done = len(arena.all_records())
    assert (progress["completed"], progress["failed"]) == (done, 2 * len(TEN_DAYS) - done)
    assert (progress["pending"], progress["current"]) == (0, [])
    assert arena.ok("status", "--format", "json").said == ""
    with arena.instance() as instance:
        assert [run for run in instance.get_runs() if not run.is_finished] == []


def test_what_a_dead_process_was_asked_for_is_caught_up_without_any_command(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = run_by(instance, f"{socket.gethostname()}:{a_dead_process()}")
    sensor_tick(arena, instance, "record_jobs")
    assert arena.rows("SELECT status FROM jobs WHERE job_id = ?", [run.run_id]) == [("failed",)]
    (request,) = sensor_tick(arena, instance, "catch_up").run_requests or []
    assert request.tags["dagster/asset_partition_range_start"] == f"{TEN_DAYS[0]}|{CASH}"
