"""An OpenAI-compatible endpoint on a real socket: answers by script, good or bad, and keeps what it was sent."""

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from openai.types.chat import ChatCompletion
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

FINISH = "<FINISH_SIGNAL>"

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` that are text go out as they are, whether they are JSON or not."""

    name: str
    arguments: Mapping[str, Any] | str


@dataclass(frozen=True)
class Answer:
    """What the endpoint does with one request: `compose` makes the body of the HTTP response from it."""

    compose: Callable[[Body], Body | str]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    drip: bool = False


@dataclass(frozen=True)
class Received:
    """A request as it came in: its JSON, its credentials, and the monotonic time in seconds."""

    body: Body
    authorization: str
    at: float

    @property
    def messages(self) -> list[Body]:
        return list(self.body["messages"])

    @property
    def date(self) -> str:
        """The session's date as the system prompt states it."""
        prompt: str = self.messages[0]["content"]
        return prompt.partition("Today is ")[2][: len("YYYY-MM-DD")]

    def results(self) -> list[Any]:
        """What the tools have answered so far, decoded."""
        return [json.loads(m["content"]) for m in self.messages if m["role"] == "tool"]


Responder = Callable[[Received], Answer]


def call(name: str, **arguments: Any) -> Call:
    """A tool call with an object of arguments, as a well-behaved model sends it."""
    return Call(name, arguments)


def buy(symbol: str, amount: Any) -> Call:
    return call("buy", symbol=symbol, amount=amount)


def sell(symbol: str, amount: Any) -> Call:
    return call("sell", symbol=symbol, amount=amount)


def says(
    text: str = "", *calls: Call, usage: Mapping[str, Any] | None = None, extra: Mapping[str, Any] | None = None
) -> Answer:
    """A chat completion, checked against openai's own type; `extra` are further fields of its message."""

    def compose(request: Body) -> Body:
        turn = len(request["messages"])
        message: Body = {"role": "assistant", "content": text or None, **(extra or {})}
        if calls:
            message["tool_calls"] = [
                {"id": f"call_{turn}_{i}", "type": "function", "function": _function(made)}
                for i, made in enumerate(calls, start=1)
            ]
        body: Body = {
            "id": f"chatcmpl-{turn}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": request["model"],
            "choices": [{"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": message}],
        }
        if usage is not None:
            body["usage"] = dict(usage)
        ChatCompletion.model_validate(body, strict=True)
        return body

    return Answer(compose)


def tokens(given: int, made: int, **details: Any) -> Body:
    """A usage object as OpenAI sends it."""
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details}


def finishes(text: str = "Done.") -> Answer:
    """A closing answer that ends with the signal."""
    return says(f"{text} {FINISH}")


def sends(body: Body | str) -> Answer:
    """HTTP 200 with whatever body, as some gateways send it."""
    return Answer(lambda _: body)


def fails(status: int, message: str = "not now", **headers: str) -> Answer:
    """An HTTP error in OpenAI's form."""
    error = {"error": {"message": message, "type": "error", "param": None, "code": None}}
    return Answer(lambda _: error, status, {name.replace("_", "-"): value for name, value in headers.items()})


def hangs_up() -> Answer:
    """The connection is cut in the middle of the response."""
    return Answer(lambda _: "", cut=True)


def after(seconds: float, answer: Answer) -> Answer:
    """The same answer, later."""
    return replace(answer, delay=seconds)


def dripping(seconds: float, answer: Answer) -> Answer:
    """The same answer after white space that keeps the connection busy for so long."""
    return replace(answer, delay=seconds, drip=True)


class OpenAIServer:
    """Answers `/v1/chat/completions` per model: by a script, one answer a request, or by a function."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.requests: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._scripts: dict[str, deque[Answer]] = {}
        self._responders: dict[str, Responder] = {}
        self._stopping = False

    def script(self, model: str, *answers: Answer) -> None:
        """Queue a model's next answers; a request beyond them is refused for good."""
        self._scripts.setdefault(model, deque()).extend(answers)

    def respond(self, model: str, responder: Responder) -> None:
        """Answer a model's requests by a function of the request."""
        self._responders[model] = responder

    def forget(self) -> None:
        """Drop scripts, functions and past requests: the next test starts afresh."""
        self.requests.clear()
        self._scripts.clear()
        self._responders.clear()
        self.most_at_once = 0

    def requests_of(self, model: str) -> list[Received]:
        return [request for request in self.requests if request.body["model"] == model]

    def stop(self) -> None:
        self._stopping = True

    async def handle(self, request: Request) -> Response:
        body: Body = await request.json()
        received = Received(body, request.headers.get("authorization", ""), time.monotonic())
        self.requests.append(received)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self._answer(received)
            if not answer.drip:
                await self._wait(answer.delay, request)
        finally:
            self._at_once -= 1
        if answer.cut:
            return _CutResponse()
        composed = answer.compose(body)
        text = composed if isinstance(composed, str) else json.dumps(composed)
        if answer.drip:
            return StreamingResponse(self._drip(answer.delay, text), media_type="application/json")
        return Response(text, answer.status, dict(answer.headers), media_type="application/json")

    def _answer(self, received: Received) -> Answer:
        complaint = _unanswered_tool_calls(received.messages)
        if complaint:
            return fails(400, complaint)
        model = received.body["model"]
        script = self._scripts.get(model)
        if script:
            return script.popleft()
        responder = self._responders.get(model)
        return responder(received) if responder else fails(400, f"the script of {model} is over")

    async def _drip(self, seconds: float, text: str) -> AsyncIterator[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopping:
            yield " "
            await asyncio.sleep(0.05)
        yield text

    async def _wait(self, seconds: float, request: Request) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stopping:
            if await request.is_disconnected():
                return
            await asyncio.sleep(min(left, 0.02))


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A server on a free port of this machine, in a thread that has ended when this returns."""
    # With the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = OpenAIServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    app = Starlette(routes=[Route("/v1/chat/completions", server.handle, methods=["POST"])])
    runner = uvicorn.Server(
        uvicorn.Config(
            app, loop="asyncio", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False
        )
    )
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, name="openai-server")
    thread.start()
    try:
        while not runner.started:
            if not thread.is_alive():
                raise RuntimeError("the OpenAI server did not start")
            time.sleep(0.005)
        yield server
    finally:
        server.stop()
        runner.should_exit = True
        thread.join(10)
        listener.close()
    if thread.is_alive():
        raise RuntimeError("the OpenAI server did not stop")


class _CutResponse(Response):
    """Promises more than it sends; the server then drops the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id": ', "more_body": True})


def _function(made: Call) -> Body:
    arguments = made.arguments if isinstance(made.arguments, str) else json.dumps(dict(made.arguments))
    return {"name": made.name, "arguments": arguments}


def _unanswered_tool_calls(messages: list[Body]) -> str | None:
    """What OpenAI refuses: a tool message without its call, or a call without its tool message."""
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                return f"a tool message answers no call: {message.get('tool_call_id')}"
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            return f"tool calls without an answer: {', '.join(open_calls)}"
        else:
            open_calls = [made["id"] for made in message.get("tool_calls", [])]
    return f"tool calls without an answer: {', '.join(open_calls)}" if open_calls else None
