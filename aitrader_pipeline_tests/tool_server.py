"""A tool server of somebody else's, as a program: over its standard streams, or over HTTP on a free port.

`python tool_server.py` speaks over standard streams; with `--http` it prints its port and listens there. A request
without the `Authorization` header that the variable ASKED_FOR holds is then refused.
"""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import mcp_types
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

server = MCPServer("somebody-elses")
received: list[str] = []


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    received.append(text)
    return text


@server.tool()
async def heard() -> list[str]:
    """What was said to this process so far."""
    return received


@server.tool(name="dotted.name/of a tool")
async def dotted() -> str:
    """A name that endpoints do not take."""
    return "dotted"


@server.tool()
async def told(context: Context[Any, Any]) -> dict[str, Any]:
    """What came beside the arguments."""
    meta = context.request_context.meta or {}
    return {key: value for key, value in meta.items() if key.startswith("aitrader/")}


@server.tool()
async def table() -> mcp_types.CallToolResult:
    """Structured content alone."""
    return mcp_types.CallToolResult(content=[], structured_content={"rows": [1, 2]})


@server.tool()
async def everything() -> mcp_types.CallToolResult:
    """One part of every kind."""
    text = mcp_types.TextResourceContents(uri="file:///notes.txt", mime_type="text/plain", text="twelve chars")
    blob = mcp_types.BlobResourceContents(uri="file:///blob", blob="AAAA")
    return mcp_types.CallToolResult(
        content=[
            mcp_types.TextContent(type="text", text="look:"),
            mcp_types.ImageContent(type="image", mime_type="image/png", data="AAAAAAA="),
            mcp_types.AudioContent(type="audio", mime_type="audio/wav", data="AAAAAA=="),
            mcp_types.ResourceLink(type="resource_link", name="page", uri="file:///page", size=7),
            mcp_types.EmbeddedResource(type="resource", resource=text),
            mcp_types.EmbeddedResource(type="resource", resource=blob),
        ]
    )


@server.tool()
async def long(characters: int) -> str:
    """A long text."""
    return "x" * characters


@server.tool()
async def slow(seconds: float) -> str:
    """An answer that takes its time."""
    await asyncio.sleep(seconds)
    return "at last"


@server.tool()
async def refuses() -> str:
    """An error, as the server's own."""
    raise ValueError(f"no luck, and my key is {os.environ.get('SERVICE_KEY')}")


@server.tool()
async def key(padding: int = 0) -> str:
    """Tells the key that it was given."""
    return f"{'x' * padding}my key is {os.environ.get('SERVICE_KEY') or os.environ.get('ASKED_FOR')}"


@server.tool()
async def environment() -> list[str]:
    """The names of its environment variables."""
    return sorted(os.environ)


@server.tool()
async def folder() -> str:
    """Where it was started."""
    return str(Path.cwd())


@server.tool()
async def dies() -> str:
    """Ends the process without an answer."""
    os._exit(3)


@server.tool()
async def babbles() -> str:
    """Writes what is no message to where messages belong, and then answers."""
    os.write(int(os.environ["WIRE"]), b"\xff\xfe no JSON: " + os.environ["SERVICE_KEY"].encode() + b"\n")
    return "done"


class Guard:
    """Lets nobody pass who does not send what is asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = os.environ.get("ASKED_FOR")
        if scope["type"] == "http" and asked and Request(scope).headers.get("authorization") != asked:
            response: Response = PlainTextResponse(f"send {asked}", 401)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def main() -> None:
    """Serve until the other side ends it."""
    if "--http" not in sys.argv:
        # The library keeps the wire to itself; a program that babbles has to have taken a copy before.
        os.environ["WIRE"] = str(os.dup(1))
        server.run("stdio")
        return
    listener = socket.create_server(("127.0.0.1", int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(Guard(server.streamable_http_app()), log_level="critical", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
