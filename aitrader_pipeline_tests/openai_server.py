"""The product's fake endpoint with scripts and a memory: what each model answers, and what it was sent."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from starlette.requests import Request

from aitrader_pipeline.trading.fake_openai.answers import (
    Answer,
    Call,
    after,
    dripping,
    fails,
    finishes,
    hangs_up,
    says,
    sends,
    tokens,
)
from aitrader_pipeline.trading.fake_openai.received import Api, Body, Received
from aitrader_pipeline.trading.fake_openai.server import FakeOpenAI, Responder
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL as FINISH

__all__ = [
    "FINISH",
    "Answer",
    "Api",
    "Body",
    "Call",
    "OpenAIServer",
    "Received",
    "Responder",
    "after",
    "behind",
    "buy",
    "call",
    "dripping",
    "fails",
    "finishes",
    "hangs_up",
    "openai_server",
    "says",
    "sell",
    "sends",
    "tokens",
]

# A session begins with two messages, the system's and the user's.
_OPENING = 2


def call(name: str, **arguments: Any) -> Call:
    """A tool call with an object of arguments, as a well-behaved model sends it."""
    return Call(name, arguments)


def buy(symbol: str, amount: Any) -> Call:
    return call("buy", symbol=symbol, amount=amount)


def sell(symbol: str, amount: Any) -> Call:
    return call("sell", symbol=symbol, amount=amount)


@dataclass(frozen=True)
class _Held(Answer):
    """An answer that waits at a gate."""

    gate: threading.Event | None = None


def behind(gate: threading.Event, answer: Answer) -> Answer:
    """The same answer, once the gate is open."""
    return _Held(**{field.name: getattr(answer, field.name) for field in fields(Answer)}, gate=gate)


class OpenAIServer(FakeOpenAI):
    """Answers per model: by a script, one answer a request, or by a function."""

    def __init__(self) -> None:
        super().__init__(self._scripted)
        self.requests: list[Received] = []
        self.most_at_once = 0
        # The interface that a test's models are told to speak.
        self.api: Api = "chat"
        self._at_once: Counter[str] = Counter()
        self._most_at_once: Counter[str] = Counter()
        self._scripts: dict[str, deque[Answer]] = {}
        self._responders: dict[str, Responder] = {}

    def script(self, model: str, *answers: Answer) -> None:
        """Queue a model's next answers; a request beyond them is refused for good."""
        self._scripts.setdefault(model, deque()).extend(answers)

    def respond(self, model: str, responder: Responder) -> None:
        """Answer a model's requests by a function of the request."""
        self._responders[model] = responder

    def forget(self) -> None:
        """Drop scripts, functions and past requests: the next test starts afresh."""
        self.api = "chat"
        self.requests.clear()
        self._scripts.clear()
        self._responders.clear()
        self.most_at_once = 0
        self._most_at_once.clear()

    def most_at_once_of(self, model: str) -> int:
        """How many requests of a model were under way at once."""
        return self._most_at_once[model]

    def begun(self, model: str) -> list[str]:
        """The dates of a model's sessions, each as often as one was begun, in the order of their beginnings."""
        return [request.date for request in self.requests_of(model) if len(request.messages) <= _OPENING]

    def requests_of(self, model: str) -> list[Received]:
        return [request for request in self.requests if request.model == model]

    async def answer(self, received: Received, request: Request) -> Answer:
        self.requests.append(received)
        model = received.model
        self._at_once[model] += 1
        self._most_at_once[model] = max(self._most_at_once[model], self._at_once[model])
        self.most_at_once = max(self.most_at_once, self._at_once.total())
        try:
            answer = await super().answer(received, request)
            while isinstance(answer, _Held) and answer.gate and not answer.gate.is_set():
                await self.wait(0.01, request)
                if self.stopping or await request.is_disconnected():
                    break
            return answer
        finally:
            self._at_once[model] -= 1

    def _scripted(self, received: Received) -> Answer:
        script = self._scripts.get(received.model)
        if script:
            return script.popleft()
        responder = self._responders.get(received.model)
        return responder(received) if responder else fails(400, f"the script of {received.model} is over")


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A server on a free port of this machine, in a thread that has ended when this returns."""
    with OpenAIServer().running() as server:
        yield server
