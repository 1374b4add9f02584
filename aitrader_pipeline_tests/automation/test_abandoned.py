"""Runs whose process has died: the next command ends them, and nothing stays running for ever."""

import datetime as dt
import os
import signal
import socket
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from aitrader_pipeline.automation.abandoned import end_abandoned_runs, process_tags
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.dagster_ticks import add_run, block_of, sensor_tick
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, TEN_DAYS, baseline, model
from aitrader_pipeline_tests.openai_server import after, finishes, openai_server

CASH, SLOW = "cash", "slow"
TAG = ".dagster/aitrader_process"
STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), [baseline(CASH)], FLAT)
    assert arena.materialise("prices").success
    return arena


def run_by(
    instance: dg.DagsterInstance,
    process: str | None,
    status: dg.DagsterRunStatus = STARTED,
) -> dg.DagsterRun:
    """A run that says of itself that this process runs it."""
    run = add_run(instance, block_of((CASH,), TEN_DAYS[:2]), status)
    if process:
        instance.add_run_tags(run.run_id, {TAG: f"{process}:{run.run_id}"})
    return run


def this_process(pid: int, *, older_by: float = 0) -> str:
    """A living process as a run names it."""
    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time() - older_by:.0f}"


def a_dead_process(host: str | None = None) -> str:
    """A process that has ended, as a run names it."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    return f"{host or socket.gethostname()}:{child}:{time.time():.0f}"


def test_a_run_says_by_which_process_of_which_machine_it_is_run() -> None:
    assert process_tags("run-1") == {TAG: f"{this_process(os.getpid())}:run-1"}


def test_runs_of_a_process_that_is_gone_are_ended_and_say_what_to_do(instance: dg.DagsterInstance) -> None:
    dead = [
        run_by(instance, a_dead_process(), dg.DagsterRunStatus(status))
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


def test_a_run_that_was_being_cancelled_when_its_process_died_is_cancelled(instance: dg.DagsterInstance) -> None:
    run = run_by(instance, a_dead_process())
    instance.report_run_canceling(run)
    assert end_abandoned_runs(instance) == [run.run_id]
    stored = instance.get_run_by_id(run.run_id)
    assert stored is not None
    assert stored.status is dg.DagsterRunStatus.CANCELED


def test_runs_of_a_process_that_lives_or_of_another_machine_or_that_have_just_begun_go_on(
    instance: dg.DagsterInstance,
) -> None:
    runs = [
        run_by(instance, this_process(os.getpid())),
        run_by(instance, this_process(os.getppid())),
        run_by(instance, this_process(1)),
        run_by(instance, a_dead_process("another-machine")),
        run_by(instance, a_dead_process("host:port")),
        run_by(instance, None),
        run_by(instance, None, dg.DagsterRunStatus.STARTING),
        run_by(instance, None, dg.DagsterRunStatus.QUEUED),
    ]
    assert end_abandoned_runs(instance) == []
    statuses = [run.status for run in runs]
    assert [found.status for run in runs if (found := instance.get_run_by_id(run.run_id))] == statuses


def test_a_process_that_got_the_number_of_a_dead_one_does_not_keep_its_run(instance: dg.DagsterInstance) -> None:
    # In a container the first process has the same number every time.
    run = run_by(instance, this_process(os.getpid(), older_by=3600))
    assert end_abandoned_runs(instance) == [run.run_id]


def test_a_process_that_has_ended_and_that_nobody_has_buried_is_dead(instance: dg.DagsterInstance) -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    try:
        named = this_process(child)
        while psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        run = run_by(instance, named)
        assert end_abandoned_runs(instance) == [run.run_id]
    finally:
        os.waitpid(child, 0)


def test_the_retry_of_a_run_that_died_is_not_taken_for_it(instance: dg.DagsterInstance) -> None:
    run = run_by(instance, a_dead_process())
    assert end_abandoned_runs(instance) == [run.run_id]
    dead = instance.get_run_by_id(run.run_id)
    assert dead is not None
    for status in ("NOT_STARTED", "STARTING", "STARTED"):
        # Dagster gives a retry the tags of the run that it repeats.
        retry = add_run(instance, None, dg.DagsterRunStatus(status), retries=dead)
        assert retry.tags[TAG] == dead.tags[TAG]
    assert end_abandoned_runs(instance) == []


def test_a_run_that_never_says_who_runs_it_is_given_up(instance: dg.DagsterInstance) -> None:
    statuses = ("NOT_STARTED", "STARTING", "STARTED")
    silent = [run_by(instance, None, dg.DagsterRunStatus(status)) for status in statuses]
    waiting = run_by(instance, None, dg.DagsterRunStatus.QUEUED)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=170)
    assert end_abandoned_runs(instance, soon) == []
    late = soon + dt.timedelta(seconds=80)
    assert sorted(end_abandoned_runs(instance, late)) == sorted(run.run_id for run in silent)
    stored = instance.get_run_by_id(waiting.run_id)
    assert stored is not None
    assert stored.status is dg.DagsterRunStatus.QUEUED


@pytest.mark.slow
def test_after_a_kill_the_next_command_tells_the_run_as_failed_and_nothing_stays_running(tmp_path: Path) -> None:
    with openai_server() as endpoint:
        endpoint.respond(SLOW, lambda _: after(1, finishes()))
        arena = priced_arena(tmp_path, [baseline(CASH), model(SLOW, endpoint.base_url)], FLAT)
        arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        process = arena.start("run")
        try:
            end = time.monotonic() + 60
            while {SLOW, CASH} - set(arena.records.models()) or len(arena.records.dates(CASH)) < len(TEN_DAYS):
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
    run = run_by(instance, a_dead_process())
    sensor_tick(arena, instance, "record_jobs")
    assert arena.rows("SELECT status FROM jobs WHERE job_id = ?", [run.run_id]) == [("failed",)]
    (request,) = sensor_tick(arena, instance, "catch_up").run_requests or []
    assert request.tags["dagster/asset_partition_range_start"] == f"{TEN_DAYS[0]}|{CASH}"
