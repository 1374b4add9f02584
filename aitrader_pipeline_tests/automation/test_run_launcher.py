"""Runs whose processes are forked from one that has the libraries: as good as an interpreter started anew."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._serdes import serialize_value

from aitrader_pipeline.automation.abandoned import end_abandoned_runs, living_process
from aitrader_pipeline.automation.run_launcher import LIBRARIES, ForkingRunLauncher, execute
from aitrader_pipeline.catalog import SESSIONS
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import block_of
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, TEN_DAYS, baseline, model
from aitrader_pipeline_tests.openai_server import OpenAIServer, behind, finishes, openai_server

CASH, HELD, NEW = "cash", "held", "equal_weight"
DAYS = TEN_DAYS[:2]
SECONDS = 60.0
TAG = ".dagster/aitrader_process"
# A process as runs are forked from: its threads, its modules, those that the definitions add, and how a copy ends
# that has the processors' threads work for it.
LIKE_THE_SOURCE = f"""
import importlib, json, os, sys, threading
for name in {LIBRARIES!r}:
    importlib.import_module(name)
import numpy as np
np.ones((500, 500)) @ np.ones((500, 500))
copy = os.fork()
if copy == 0:
    os._exit(int((np.ones((500, 500)) @ np.ones((500, 500)))[0, 0]) % 256)
end = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
threads, before = threading.active_count(), set(sys.modules)
import aitrader_pipeline.definitions
print(json.dumps([threads, sorted(before), sorted(set(sys.modules) - before), end]))
"""


@dataclass
class Held:
    """An arena of a baseline and of a model that answers once it may."""

    arena: ArenaHome
    endpoint: OpenAIServer
    gate: threading.Event


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    gate = threading.Event()
    with openai_server() as endpoint:
        endpoint.respond(HELD, lambda _: behind(gate, finishes()))
        folder = tmp_path_factory.mktemp("prepared")
        arena = priced_arena(folder, [baseline(CASH), model(HELD, endpoint.base_url)], FLAT)
        assert arena.materialise("prices").success
        yield Held(ArenaHome(folder, {**arena.environ, KEY_VARIABLE: KEY}), endpoint, gate)


@pytest.fixture(scope="module")
def prepared(held: Held) -> ArenaHome:
    return held.arena


@pytest.fixture
def arena(arena: ArenaHome) -> ArenaHome:
    return replace(arena, environ={**arena.environ, KEY_VARIABLE: KEY})


@pytest.fixture
def launcher(instance: dg.DagsterInstance) -> ForkingRunLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, ForkingRunLauncher)
    return launcher


def stored_run(instance: dg.DagsterInstance, name: str) -> dg.DagsterRun:
    """A run of a model that the daemon is about to launch."""
    pointer = ModuleCodePointer("aitrader_pipeline.definitions", "defs", str(Path.cwd()))
    return instance.add_run(
        dg.DagsterRun(
            job_name="__ASSET_JOB",
            run_id=str(uuid.uuid4()),
            status=dg.DagsterRunStatus.STARTING,
            tags=block_of((name,), DAYS).tags(),
            asset_selection=frozenset({dg.AssetKey(SESSIONS)}),
            job_code_origin=JobPythonOrigin("__ASSET_JOB", RepositoryPythonOrigin(sys.executable, pointer)),
        )
    )


def launch(launcher: ForkingRunLauncher, instance: dg.DagsterInstance, name: str) -> str:
    run = stored_run(instance, name)
    launcher.launch_run(LaunchRunContext(run, None))
    return run.run_id


def until(look: Callable[[], Any]) -> Any:
    """The first answer that is something."""
    end = time.monotonic() + SECONDS
    while not (answer := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def now(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def end_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    until(lambda: now(instance, run_id).is_finished)
    return now(instance, run_id).status


def process_of(instance: dg.DagsterInstance, run_id: str) -> psutil.Process:
    process = living_process(now(instance, run_id))
    assert process is not None
    return process


@pytest.fixture
def running(held: Held, launcher: ForkingRunLauncher, instance: dg.DagsterInstance) -> Iterator[str]:
    """A run in the middle of its first session."""
    begun = len(held.endpoint.begun(HELD))
    held.gate.clear()
    run_id = launch(launcher, instance, HELD)
    try:
        until(lambda: len(held.endpoint.begun(HELD)) > begun)
        yield run_id
    finally:
        held.gate.set()
        until(lambda: living_process(now(instance, run_id)) is None)


def test_each_run_has_a_process_of_its_own_and_sees_the_config_of_its_moment(
    arena: ArenaHome, launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    first = launch(launcher, instance, CASH)
    assert end_of(instance, first) is dg.DagsterRunStatus.SUCCESS
    assert len(arena.records.dates(CASH)) == len(DAYS)
    reconfigure(arena, models=[baseline(CASH), baseline(NEW)])
    second = launch(launcher, instance, NEW)
    assert end_of(instance, second) is dg.DagsterRunStatus.SUCCESS
    assert len(arena.records.dates(NEW)) == len(DAYS)
    processes = {now(instance, run_id).tags[TAG].rsplit(":", 3)[1] for run_id in (first, second)}
    assert len(processes - {str(os.getpid())}) == 2


def test_a_cancelled_run_is_interrupted_in_its_session(
    running: str, arena: ArenaHome, launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    process = process_of(instance, running)
    assert launcher.check_run_worker_health(now(instance, running)).status is WorkerStatus.RUNNING
    assert launcher.terminate(running)
    assert end_of(instance, running) is dg.DagsterRunStatus.CANCELED
    until(lambda: not process.is_running())
    assert not arena.records.dates(HELD)
    assert not launcher.terminate(running)


@pytest.mark.slow
def test_a_cancelled_run_of_a_command_ends_that_command_as_ctrl_c_does(
    held: Held, arena: ArenaHome, launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    begun = len(held.endpoint.begun(HELD))
    held.gate.clear()
    process = arena.start("run")
    try:
        until(lambda: len(held.endpoint.begun(HELD)) > begun)
        (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        assert launcher.terminate(run.run_id)
        _, said = process.communicate(timeout=SECONDS)
    finally:
        held.gate.set()
        process.kill()
    assert process.returncode == 130
    assert "interrupted; what is finished is kept" in said
    assert now(instance, run.run_id).status is dg.DagsterRunStatus.CANCELED


def test_a_run_whose_process_is_killed_is_known_to_be_dead_at_once(
    running: str, launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    process_of(instance, running).kill()
    until(lambda: living_process(now(instance, running)) is None)
    assert launcher.check_run_worker_health(now(instance, running)).status is WorkerStatus.FAILED
    assert end_abandoned_runs(instance) == [running]
    assert now(instance, running).status is dg.DagsterRunStatus.FAILURE


def test_when_the_process_dies_from_which_runs_are_forked_they_go_on_and_others_start(
    running: str, held: Held, arena: ArenaHome, launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    source = process_of(instance, running).parent()
    assert source is not None
    assert source.ppid() == psutil.Process().pid
    source.kill()
    until(lambda: source.status() == psutil.STATUS_ZOMBIE)
    another = launch(launcher, instance, CASH)
    held.gate.set()
    for run_id in (running, another):
        assert end_of(instance, run_id) is dg.DagsterRunStatus.SUCCESS
    assert len(arena.records.dates(HELD)) == len(DAYS)


def test_a_process_whose_launcher_dies_before_the_run_names_it_does_nothing(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = stored_run(instance, CASH)
    named, naming = (processes := get_context("spawn")).Pipe(duplex=False)
    process = processes.Process(
        target=execute, args=(run.run_id, serialize_value(instance.get_ref()), arena.variables, named)
    )
    process.start()
    naming.close()
    process.join(SECONDS)
    assert process.exitcode == 0
    assert now(instance, run.run_id).status is dg.DagsterRunStatus.STARTING
    assert instance.all_logs(run.run_id) == []


def test_a_run_that_cannot_be_seen_from_here_is_taken_to_be_well(
    launcher: ForkingRunLauncher, instance: dg.DagsterInstance
) -> None:
    run = stored_run(instance, CASH)
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    assert not launcher.terminate(run.run_id)


def test_the_libraries_are_all_that_a_run_imports_from_elsewhere_and_bear_to_be_copied() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LIKE_THE_SOURCE], capture_output=True, text=True, check=True
    ).stdout
    threads, libraries, added, end = json.loads(said)
    assert (threads, end) == (1, 500 % 256)
    known = {name.partition(".")[0] for name in libraries}
    assert "aitrader_pipeline" not in known
    # A module of a library that is there already may come late.
    late = {name for name in added if name.partition(".")[0] in known}
    ours = {name for name in added if name.startswith("aitrader_pipeline")}
    foreign = set(added) - late - ours
    assert {name for name in foreign if name.partition(".")[0] not in sys.stdlib_module_names} == set()
    assert len(late) < 10
