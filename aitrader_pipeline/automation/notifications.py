"""Telling people of what went wrong: the log always, a webhook where the config names one."""

import datetime as dt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from aitrader_pipeline.config import NotificationConfig

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class FailedRun:
    """A failed run: the launch that it belongs to, and what its steps have to say."""

    launch: str
    run_id: str
    messages: tuple[str, ...]

    def text(self) -> str:
        """One paragraph for people."""
        return f"run {self.run_id} failed: " + "; ".join(self.messages)

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {"launch": self.launch, "run_id": self.run_id, "messages": list(self.messages)}


@dataclass(frozen=True)
class MissedSession:
    """A session of the exchange that is over, and of which enabled models have no record."""

    date: dt.date
    models: tuple[str, ...]

    def text(self) -> str:
        """One paragraph for people."""
        return (
            f"the session of {self.date} is over, and {', '.join(self.models)} did not trade it: "
            "launch what is missing with `aitrader run`, or turn on catch_up"
        )

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {"date": self.date.isoformat(), "models": list(self.models)}


def notify(
    config: NotificationConfig,
    notification: FailedRun | MissedSession,
    log: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Deliver a notification; a webhook that does not answer is told in the log and stops nothing.

    Args:
        config: names the variable that holds the webhook's URL, if any.
        notification: what happened.
        log: writes to the log.
        environ: holds that variable.
    """
    log(notification.text())
    if config.webhook is None:
        return
    url = environ.get(config.webhook, "")
    if not url:
        log(f"notifications.webhook: the environment variable {config.webhook} is not set")
        return
    body = {"text": notification.text(), **notification.facts()}
    try:
        httpx2.post(url, json=body, timeout=_TIMEOUT_SECONDS).raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        # The address may hold a token: the error's own words could repeat it.
        log(f"the webhook of {config.webhook} did not take the notification: {type(error).__name__}")
