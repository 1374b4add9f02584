"""The endpoint on a real socket of this machine."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aitrader_pipeline.errors import CallError
from aitrader_pipeline.trading.fake_openai.answers import Answer, fails
from aitrader_pipeline.trading.fake_openai.received import Api, Body, Received

Responder = Callable[[Received], Answer]
_HOST = "127.0.0.1"
_TICK_SECONDS = 0.02


class FakeOpenAI:
    """Answers ``/v1/chat/completions`` and ``/v1/responses`` as a function of the request says."""

    def __init__(self, respond: Responder, port: int = 0) -> None:
        """Take a port; nothing is answered before it runs.

        Args:
            respond: the function.
            port: 0 takes a free one.

        Raises:
            CallError: the port is taken.
        """
        self._respond = respond
        # With the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((_HOST, port))
        except OSError as error:
            self._listener.close()
            raise CallError(f"--port {port}: {error.strerror}; name another, or 0 for any free one") from None
        self.base_url = f"http://{_HOST}:{self._listener.getsockname()[1]}/v1"
        paths: dict[str, Api] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
        routes = [Route(path, partial(self._handle, api), methods=["POST"]) for path, api in paths.items()]
        self._runner = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
            )
        )

    def run(self) -> None:
        """Serve until Ctrl-C, which is raised again as KeyboardInterrupt."""
        try:
            self._runner.run(sockets=[self._listener])
        finally:
            self._listener.close()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve in a thread that has ended when this returns."""
        thread = threading.Thread(target=self.run, name="fake-openai")
        thread.start()
        try:
            while not self._runner.started:
                if not thread.is_alive():
                    raise RuntimeError("the fake endpoint did not start")
                time.sleep(0.005)
            yield self
        finally:
            self._runner.should_exit = True
            thread.join(10)
        if thread.is_alive():
            raise RuntimeError("the fake endpoint did not stop")

    @property
    def stopping(self) -> bool:
        """Whether it is about to end; answers that are being waited for are sent at once."""
        return self._runner.should_exit

    async def answer(self, received: Received, request: Request) -> Answer:
        """The answer to a request, when it is time for it."""
        complaint = received.complaint()
        answer = fails(400, complaint) if complaint else self._respond(received)
        if not answer.drip:
            await self.wait(answer.delay, request)
        return answer

    async def _handle(self, api: Api, request: Request) -> Response:
        body: Body = await request.json()
        received = Received(body, request.headers.get("authorization", ""), time.monotonic(), api)
        answer = await self.answer(received, request)
        if answer.cut:
            return _CutResponse()
        composed = answer.compose(received)
        text = composed if isinstance(composed, str) else json.dumps(composed)
        if answer.drip:
            return StreamingResponse(self._drip(answer.delay, text), media_type="application/json")
        return Response(text, answer.status, dict(answer.headers), media_type="application/json")

    async def _drip(self, seconds: float, text: str) -> AsyncIterator[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopping:
            yield " "
            await asyncio.sleep(_TICK_SECONDS)
        yield text

    async def wait(self, seconds: float, request: Request) -> None:
        """Wait, but no longer than the client does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.stopping:
            if await request.is_disconnected():
                return
            await asyncio.sleep(min(left, _TICK_SECONDS))


class _CutResponse(Response):
    """Promises more than it sends; the server then drops the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id": ', "more_body": True})
