"""Notifications: the log always, a webhook where the config names one; its address is told to nobody."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from aitrader_pipeline.automation.notifications import Notification, notify
from aitrader_pipeline.config import NotificationConfig

SECRET = "T0KEN-0123456789"
VARIABLE = "TEST_WEBHOOK"
CONFIG = NotificationConfig(webhook=VARIABLE)
FAILED = Notification("launch-1", "run-1", ("gpt on 2025-10-02: out of credit", "kimi on 2025-10-03: no answer"))
TOLD = "run run-1 failed: gpt on 2025-10-02: out of credit; kimi on 2025-10-03: no answer"


@dataclass
class Webhook:
    """Takes what is posted to it."""

    status: int
    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


@contextmanager
def webhook(status: int = 200) -> Iterator[Webhook]:
    """A webhook on a real socket, in a thread that has ended when this returns."""
    hook = Webhook(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            hook.types.append(self.headers["content-type"])
            self.send_response(hook.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/{SECRET}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


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
    assert not any(SECRET in line or "127.0.0.1" in line for line in log)


def test_a_webhook_that_nobody_answers_at_is_told_without_its_address() -> None:
    with webhook() as hook:
        gone = hook.url
    log = log_of(CONFIG, **{VARIABLE: gone})
    assert log == [TOLD, f"the webhook of {VARIABLE} did not take the notification: ConnectError"]


@pytest.mark.parametrize(
    "address", [f"no url {SECRET}", f"ftp://x/{SECRET}", f"http://[{SECRET}", f"http://x:port/{SECRET}", "\x00"]
)
def test_an_address_that_is_none_stops_nothing_and_is_not_repeated(address: str) -> None:
    log = log_of(CONFIG, **{VARIABLE: address})
    assert log[0] == TOLD
    assert log[1].startswith(f"the webhook of {VARIABLE} did not take the notification: ")
    assert SECRET not in "".join(log)
