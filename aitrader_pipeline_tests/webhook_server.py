"""A webhook on a real socket: keeps what is posted to it and answers with the status that it was told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

# Stands in the address, as the token of a real webhook does.
TOKEN = "T0KEN-0123456789"


@dataclass
class Webhook:
    """Where it is, and what was posted to it."""

    status: int
    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


@contextmanager
def webhook(status: int = 200, answer: Any = None) -> Iterator[Webhook]:
    """A webhook in a thread that has ended when this returns; it answers with nothing, or with this as JSON."""
    hook = Webhook(status)
    body = b"" if answer is None else json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            hook.types.append(self.headers["content-type"])
            self.send_response(hook.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/{TOKEN}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
