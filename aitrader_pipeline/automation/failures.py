"""Failures of steps, as people are told of them."""

import dagster as dg
from dagster._core.events import RunFailureReason


def failure_message(event: dg.DagsterEvent) -> str:
    """What a failed step has to say to people: its own words, or its error's, without a traceback."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip()}" if error else f"{event.step_key} failed"


def was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether an event tells that the process was asked to end, in a step or between two."""
    if event.event_type in (dg.DagsterEventType.RUN_CANCELING, dg.DagsterEventType.RUN_CANCELED):
        return True
    if event.is_run_failure:
        return event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
    error = event.step_failure_data.error if event.is_step_failure else None
    while error is not None:
        if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
            return True
        error = error.cause
    return False
