"""Notifications: the log always, a webhook where the config names one; its address is told to nobody."""

from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.automation.notifications import FailedRun, notify
from aitrader_pipeline.config import NotificationConfig
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import add_run, block_of
from aitrader_pipeline_tests.markets import FLAT, KEY_VARIABLE, TEN_DAYS, baseline, model
from aitrader_pipeline_tests.webhook_server import TOKEN, webhook

VARIABLE = "TEST_WEBHOOK"
CONFIG = NotificationConfig(webhook=VARIABLE)
FAILED = FailedRun("launch-1", "run-1", ("gpt on 2025-10-02: out of credit", "kimi on 2025-10-03: no answer"))
TOLD = "run run-1 failed: gpt on 2025-10-02: out of credit; kimi on 2025-10-03: no answer"


def log_of(config: NotificationConfig, **environ: str) -> list[str]:
    """What the log says when the notification is delivered."""
    log: list[str] = []
    notify(config, FAILED, log.append, environ)
    return log


def test_a_webhook_gets_the_text_and_each_message_as_json() -> None:
    with webhook() as hook:
        assert log_of(CONFIG, **{VARIABLE: hook.url}) == [TOLD]
    assert hook.types == ["application/json"]
    assert hook.bodies == [
        {"text": TOLD, "launch": "launch-1", "run_id": "run-1", "messages": list(FAILED.messages)}
    ]


def test_without_a_webhook_the_log_is_told() -> None:
    assert log_of(NotificationConfig()) == [TOLD]


def test_a_variable_that_is_not_set_or_empty_is_told_by_its_name() -> None:
    expected = [TOLD, f"notifications.webhook: the environment variable {VARIABLE} is not set"]
    assert log_of(CONFIG) == expected
    assert log_of(CONFIG, **{VARIABLE: ""}) == expected


@pytest.mark.parametrize("status", [400, 500, 302])
def test_a_webhook_that_refuses_is_told_without_its_address(status: int) -> None:
    with webhook(status) as hook:
        log = log_of(CONFIG, **{VARIABLE: hook.url})
    assert len(hook.bodies) == 1
    assert log == [TOLD, f"the webhook of {VARIABLE} did not take the notification: HTTPStatusError"]
    assert not any(TOKEN in line or "127.0.0.1" in line for line in log)


def test_a_webhook_that_nobody_answers_at_is_told_without_its_address() -> None:
    with webhook() as hook:
        gone = hook.url
    log = log_of(CONFIG, **{VARIABLE: gone})
    assert log == [TOLD, f"the webhook of {VARIABLE} did not take the notification: ConnectError"]


@pytest.mark.parametrize(
    "address", [f"no url {TOKEN}", f"ftp://x/{TOKEN}", f"http://[{TOKEN}", f"http://x:port/{TOKEN}", "\x00"]
)
def test_an_address_that_is_none_stops_nothing_and_is_not_repeated(address: str) -> None:
    log = log_of(CONFIG, **{VARIABLE: address})
    assert log[0] == TOLD
    assert log[1].startswith(f"the webhook of {VARIABLE} did not take the notification: ")
    assert TOKEN not in "".join(log)


# --- the sensor, on runs that have really failed ---


def tell_of(arena: ArenaHome, instance: dg.DagsterInstance, run_id: str) -> None:
    """What the daemon does with a failed run: it calls the sensor with the event by which the run failed."""
    (event,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    sensors = build_definitions(arena.settings).sensors or ()
    (sensor,) = (sensor for sensor in sensors if sensor.name == "notify_of_failures")
    assert isinstance(sensor, dg.SensorDefinition)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=event.get_dagster_event(),
        dagster_instance=instance,
        dagster_run=run,
    )
    sensor(context.for_run_failure())


def test_a_failed_run_is_told_with_what_its_sessions_said_to_the_webhook_of_the_config(tmp_path: Path) -> None:
    roster = [baseline("cash"), model("broken", "http://127.0.0.1:9/v1")]
    arena = priced_arena(tmp_path, roster, FLAT)
    reconfigure(arena, notifications={"webhook": VARIABLE})
    assert arena.materialise("prices").success
    result = arena.materialise("agent_sessions", tags=block_of(("cash", "broken"), TEN_DAYS[:2]).tags())
    with webhook() as hook:
        arena = ArenaHome(arena.folder, {**arena.environ, VARIABLE: hook.url})
        with arena.instance() as instance:
            tell_of(arena, instance, result.run_id)
    (body,) = hook.bodies
    assert (body["launch"], body["run_id"]) == (result.run_id, result.run_id)
    (message,) = body["messages"]
    assert f"broken on {TEN_DAYS[0]}" in message
    assert f"{KEY_VARIABLE} is not set" in message
    assert body["text"] == f"run {result.run_id} failed: {message}"


def test_a_run_that_died_is_told_with_what_dagster_says_of_it(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("cash")], FLAT)
    reconfigure(arena, notifications={"webhook": VARIABLE})
    with webhook() as hook:
        arena = ArenaHome(arena.folder, {**arena.environ, VARIABLE: hook.url})
        with arena.instance() as instance:
            run = add_run(
                instance,
                block_of(("cash",), TEN_DAYS[:2]),
                dg.DagsterRunStatus.STARTED,
                tags={"dagster/backfill": "backfill1"},
            )
            instance.report_run_failed(run, "its machine is gone")
            tell_of(arena, instance, run.run_id)
    assert hook.bodies == [
        {
            "text": f"run {run.run_id} failed: its machine is gone",
            "launch": "backfill1",
            "run_id": run.run_id,
            "messages": ["its machine is gone"],
        }
    ]
