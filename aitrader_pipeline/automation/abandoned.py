"""Runs whose process has died: it could not say that they were over, so the next process does.

Dagster's daemon watches the runs that it has launched itself; those of the command line are run in its process.
"""

import os
import socket
from collections.abc import Mapping

import dagster as dg

_PROCESS_TAG = "aitrader/process"
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def process_tags() -> Mapping[str, str]:
    """The tags by which a run says that it is run by this process."""
    return {_PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def end_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs as failed that a process of this machine left behind; call it before launching any here.

    Returns:
        The ids of these runs.
    """
    ended: list[str] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        host, _, pid = run.tags.get(_PROCESS_TAG, "").rpartition(":")
        if host == socket.gethostname() and not _is_other_process(int(pid)):
            instance.report_run_failed(
                run, "its process has died; what was finished is kept, launch the same again"
            )
            ended.append(run.run_id)
    return ended


def _is_other_process(pid: int) -> bool:
    # In a container, the process after a crash often has the very number of the one before it.
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
