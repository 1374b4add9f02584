"""Runs whose process has died: it could not say that they were over, so another process does.

Every run says which process runs it: a launcher knows its processes only as long as its own one lives, and after a
crash of everything nobody would end their runs.
"""

import datetime as dt
import socket
from collections.abc import Iterator, Mapping

import dagster as dg
import psutil
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

# Hidden from the pages of the UI by its prefix.
_PROCESS_TAG = ".dagster/aitrader_process"
_BEGUN = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# The clock by which the system tells when a process was started may be set a little while it runs.
_CLOCK_SECONDS = 5
# A run names its process at once; the daemon itself ends, and tries again, one that takes too long to start.
_PATIENCE = dt.timedelta(seconds=60)
DIED = "its process has died; what was finished is kept, launch the same again"


def process_tags(run_id: str, pid: int | None = None) -> Mapping[str, str]:
    """The tags by which a run says which process of this machine runs it; by default this one.

    The run's id is in it, because Dagster gives the tags of a run to its retries as well.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    process = psutil.Process(pid)
    return {_PROCESS_TAG: f"{socket.gethostname()}:{process.pid}:{process.create_time():.0f}:{run_id}"}


class _NamedInProcessExecutor(InProcessExecutor):
    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        plan_context.instance.add_run_tags(plan_context.run_id, process_tags(plan_context.run_id))
        return super().execute(plan_context, execution_plan)


@dg.executor(name="in_process")
def named_in_process_executor(_: dg.InitExecutorContext) -> dg.Executor:
    """Runs all steps in the run's own process, as the run says in its tags."""
    return _NamedInProcessExecutor(retries=RetryMode.ENABLED)


def end_abandoned_runs(instance: dg.DagsterInstance, now: dt.datetime | None = None) -> list[str]:
    """End the runs that dead processes have left behind; call it before launching any here.

    Args:
        instance: the Dagster instance that keeps the runs.
        now: the moment; by default it is asked for.

    Returns:
        The ids of these runs.
    """
    ended: list[str] = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_BEGUN)):
        run = record.dagster_run
        if not _is_abandoned(record, instance, now or dt.datetime.now(dt.UTC)):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, DIED)
        else:
            instance.report_run_failed(run, DIED)
        ended.append(run.run_id)
    return ended


def has_died(run: dg.DagsterRun) -> bool:
    """Whether the process that a run has named has died; not, where nothing of it can be seen from here."""
    said = _said(run)
    return said is not None and said[0] == socket.gethostname() and living_process(run) is None


def living_process(run: dg.DagsterRun) -> psutil.Process | None:
    """The very process of this machine that runs a run, not another one that got its number; None without one."""
    host, pid, started = _said(run) or ("", "", "")
    if host != socket.gethostname():
        return None
    try:
        process = psutil.Process(int(pid))
        lives = process.status() != psutil.STATUS_ZOMBIE
        return process if lives and abs(process.create_time() - float(started)) < _CLOCK_SECONDS else None
    except psutil.NoSuchProcess:
        return None


def _said(run: dg.DagsterRun) -> tuple[str, str, str] | None:
    """Host, number and start of the process that a run has named."""
    host, pid, started, run_id = run.tags.get(_PROCESS_TAG, ":::").rsplit(":", 3)
    return (host, pid, started) if run_id == run.run_id else None


def _is_abandoned(record: dg.RunRecord, instance: dg.DagsterInstance, now: dt.datetime) -> bool:
    run = record.dagster_run
    if _said(run):
        return has_died(run)
    patience = _PATIENCE + dt.timedelta(seconds=instance.run_monitoring_start_timeout_seconds)
    return now - record.update_timestamp > patience and run.status is not dg.DagsterRunStatus.CANCELING
