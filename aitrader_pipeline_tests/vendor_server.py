"""A vendor's HTTP server on a real socket, in a thread: it keeps what it was asked and answers what a test says.

It is a proxy as well, one that lets nothing through and keeps where it was to connect to.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """What is answered; a body that is text goes out as it is, one that is cut ends before its stated length."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """A request: where, its parameters or JSON, its headers in lower case."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@contextmanager
def vendor_server(answer: Callable[[Asked], Answer | None], asked: list[Asked]) -> Iterator[str]:
    """The address of a server that has ended when this returns; no answer is a connection that is closed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def do_CONNECT(self) -> None:
            asked.append(Asked(self.path, {}, {}))
            self.send_error(502)

        def _serve(self, body: Mapping[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Asked(urlsplit(self.path).path, body, headers)
            asked.append(request)
            said = answer(request)
            if said is None:
                return
            text = (said.body if isinstance(said.body, str) else json.dumps(said.body)).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text) * 2 if said.cut else len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
