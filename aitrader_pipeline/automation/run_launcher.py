"""Starts a run's process as a copy of one that has imported the libraries already.

Dagster's own launcher has the code server start a new interpreter for each run, and most of what that does before
the first session is to import libraries. Here the daemon keeps a process that has imported them, and nothing of
this project: each run's process is forked from it, and imports our code and reads the config anew.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection

import dagster as dg
import numpy as np
import psutil
from dagster._cli.api import _execute_run_command_body
from dagster._core.instance import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.interrupts import capture_interrupts

from aitrader_pipeline.automation.abandoned import DIED, has_died, living_process, process_tags

# What a run imports from elsewhere. None of it may start a thread of Python's, which the copies would not have.
LIBRARIES = (
    "anyio._backends._asyncio",
    "dagster._cli.api",
    "dagster._core.storage.sqlite_storage",
    "dagster._daemon.cli",
    "dagster_duckdb",
    "exchange_calendars",
    "httpcore2",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mcp.server.mcpserver",
    "openai",
    "psutil",
    "stamina",
    "upath.implementations.local",
    "uvicorn",
)
# Elsewhere than on Linux the system's own libraries do not bear to be copied with a process.
_PROCESSES = (
    multiprocessing.get_context("forkserver") if sys.platform == "linux" else multiprocessing.get_context("spawn")
)
_starting = threading.Lock()


class ForkingRunLauncher(DefaultRunLauncher):
    """Executes each run in a process of its own on this machine; it has no settings."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run's process, which begins once the run names it.

        Raises:
            OSError, EOFError, psutil.NoSuchProcess: the process cannot be started, or has died at once.
        """
        run_id = context.dagster_run.run_id
        named, naming = _PROCESSES.Pipe(duplex=False)
        with named, naming:
            process = _PROCESSES.Process(
                target=execute, args=(run_id, serialize_value(self._instance.get_ref()), dict(os.environ), named)
            )
            # Dagster launches from several threads.
            with _starting:
                multiprocessing.set_forkserver_preload(list(LIBRARIES))
                process.start()
            self._instance.add_run_tags(run_id, process_tags(run_id, process.pid))
            naming.send(None)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run's process as Ctrl-C does; says whether there was one."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        process = living_process(run)
        if process is None:
            return False
        try:
            process.send_signal(signal.SIGINT)
        except psutil.NoSuchProcess:
            return False
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's monitoring may ask for the health of a run's process."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a run's process lives; of one that cannot be seen from here this is assumed."""
        if has_died(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, DIED)
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def execute(run_id: str, instance_ref: str, environ: Mapping[str, str], named: Connection) -> None:
    """Execute a run in this process; not if the launcher dies before the run names it.

    Args:
        run_id: the run.
        instance_ref: the Dagster instance that keeps it, as Dagster writes it down.
        environ: the launcher's environment.
        named: says that the run names this process; it is closed without a word where the launcher has died.
    """
    os.environ.clear()
    os.environ.update(environ)
    # What the copies have in common stays shared, and each draws random numbers of its own.
    gc.freeze()
    np.random.seed()
    with (
        capture_interrupts(),
        dg.DagsterInstance.from_ref(deserialize_value(instance_ref, InstanceRef)) as instance,
    ):
        try:
            named.recv()
        except EOFError:
            return
        _execute_run_command_body(run_id, instance, lambda _: None, set_exit_code_on_failure=False)
