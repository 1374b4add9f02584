"""The arena's tools for other programs, cut off at a date: over standard streams, or HTTP on this machine."""

import asyncio
import datetime as dt
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import CallError
from aitrader_pipeline.market.actions_table import read_actions
from aitrader_pipeline.market.prices import read_history
from aitrader_pipeline.partitions import calendar_of
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.tools.math import math_server
from aitrader_pipeline.trading.tools.price import price_server


def offered_server(name: str, settings: Settings, date: dt.date | None) -> Server[Any]:
    """A tool server that knows what a session of a date knows; only sums need no date.

    Args:
        name: ``price``, ``search`` or ``math``.
        settings: the active arena, whose prices are read.
        date: the session at whose open nothing later is known.

    Raises:
        CallError: the date is missing, or no session.
        ConfigError: the date is outside of the arena's.
        SessionError: there are no prices of that session.
        StoreError: there are no prices at all yet.
    """
    if name == "math":
        return math_server()
    if date is None:
        raise CallError(f"{name} needs --date: the session at whose open the tools know nothing later")
    calendar = calendar_of(settings)
    if not calendar.is_session(date):
        raise CallError(f"--date {date}: {calendar.why_no_session(date)}")
    with reading(settings.mart_path) as con:
        history, actions = read_history(con, through=date), read_actions(con, through=date)
    records = RecordStore(settings.records_dir)
    arena = Arena(settings.config, calendar, history, records, actions=actions)
    return arena.search_server(date) if name == "search" else price_server(arena.view(date))


def serve_stdio(server: Server[Any]) -> None:
    """Serve one program over this one's standard streams, until it closes them."""
    # Nothing has to be cleaned up, and a thread that waits for a line would outlast Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    async def serve() -> None:
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())

    asyncio.run(serve())


def serve_http(server: Server[Any], port: int, on_ready: Callable[[str], None]) -> None:
    """Serve programs of this machine over streamable HTTP until the process is ended.

    Args:
        server: what they are offered.
        port: where to listen; 0 takes a free port.
        on_ready: told the address once it can be spoken to.

    Raises:
        CallError: the port is taken.
    """
    # With the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise CallError(f"--port {port}: {error.strerror}; name another, or 0 for a free one") from None
    # Nobody's call depends on the one before: a client may come and go as it likes.
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    on_ready(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
    uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none")).run(sockets=[listener])
