"""The toolbox of a session: its MCP servers, their tools under one roof, calls timed and counted."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import mcp_types
from mcp import Client
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.trading.playback import Playback
from aitrader_pipeline.trading.record import ToolUse
from aitrader_pipeline.trading.recordings import UNRECORDED
from aitrader_pipeline.trading.tool_answers import Route, ToolAnswer, text_of
from aitrader_pipeline.trading.tool_arguments import ToolArgumentsError, decoded
from aitrader_pipeline.trading.tool_servers import ToolServer
from aitrader_pipeline.trading.tools import NOTES
from aitrader_pipeline.trading.traders import ToolSchema

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_OUT_OF_TIME = "the session's time was over before the tool had answered"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ToolResult:
    """The text that goes back to the trader, whether it is an error, what the tool was given, and its time.

    The notes are for the record and not for the trader. Out of time is what the session's end has cut short.
    """

    text: str
    is_error: bool
    input: Any
    seconds: float
    notes: Mapping[str, Any] = field(default_factory=dict)
    out_of_time: bool = False


@dataclass
class _Tally:
    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass
class _Shelf:
    """Tools as they are put together: what the trader is told of each, where its calls go, and whose it is."""

    schemas: list[ToolSchema] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def add(self, owner: str, tool: mcp_types.Tool, route: Route) -> None:
        # Endpoints take no other names for functions, and no object without properties.
        name = _NOT_IN_A_NAME.sub("_", tool.name)[:_LONGEST_NAME]
        if name in self.owners:
            raise ConfigError(
                f"the tool servers {self.owners[name]} and {owner} both offer a tool named {name}: leave one out, "
                "by allow in mcp_servers"
            )
        self.owners[name] = owner
        self.routes[name] = route
        self.schemas.append(ToolSchema(name, tool.description or "", {"properties": {}, **tool.input_schema}))


@dataclass
class Toolbox:
    """The tools of one session, by name."""

    schemas: tuple[ToolSchema, ...]
    _routes: Mapping[str, Route]
    _tallies: dict[str, _Tally] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        servers: Sequence[Server[Any]],
        outward: Sequence[Server[Any]] = (),
        further: Sequence[ToolServer] = (),
        *,
        about: Mapping[str, str] = _NOTHING,
        playback: Playback | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator["Toolbox"]:
        """Connect to the servers and list their tools.

        Args:
            servers: the arena's own, which answer from the session alone.
            outward: the arena's own that ask others.
            further: the user's own.
            about: what the user's own servers are told of the session with every call.
            playback: records what others answer, or answers for them; without it they are asked.
            deadline: by the monotonic clock, until when others are waited for.

        Raises:
            ConfigError: two servers offer a tool of the same name, or one of the user's own is set up wrongly.
            SessionError: one of the user's own is down.
        """
        failure: BaseException | None = None
        async with AsyncExitStack() as stack:
            try:
                shelf = _Shelf()
                clients = {s.name: await stack.enter_async_context(Client(s)) for s in (*servers, *outward)}
                for server in servers:
                    for tool in await _listed(clients[server.name]):
                        shelf.add(server.name, tool, partial(_ask, clients[server.name], tool.name))
                border = playback or Playback(UNRECORDED, {})
                for server in outward:
                    client = clients[server.name]
                    for tool in await border.tools(server.name, partial(_listed, client)):
                        call = _until(deadline, partial(_ask, client, tool.name))
                        shelf.add(server.name, tool, border.route(tool.name, call))
                listings = await asyncio.gather(*(border.tools(own.name, own.tools) for own in further))
                for own, tools in zip(further, listings, strict=True):
                    for tool in tools:
                        call = _until(deadline, partial(own.call, tool.name, about))
                        shelf.add(own.name, tool, border.route(tool.name, call))
                yield cls(tuple(shelf.schemas), shelf.routes)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as the next line says
                # The clients' task groups wrap an error and choke on a cancellation: it is raised after them.
                failure = error
        if failure is not None:
            raise failure

    async def call(self, name: str, arguments: object) -> ToolResult:
        """Run one tool; whatever a trader sends, it gets an answer.

        Args:
            name: the tool's name as the trader wrote it.
            arguments: an object, or the JSON text of one; anything else is an error result.
        """
        started = time.perf_counter()
        given, problem = _decoded(arguments)
        if name not in self._routes:
            problem = _error("unknown_tool", f"there is no tool {name}; there are: {', '.join(self._routes)}")
        answer = ToolAnswer(problem, is_error=True) if problem else await self._routes[name](given)
        seconds = time.perf_counter() - started
        tally = self._tallies.setdefault(name if name in self._routes else "unknown", _Tally())
        tally.calls += 1
        tally.errors += answer.is_error
        tally.seconds += seconds
        kept = given if given is not None else arguments
        return ToolResult(answer.text, answer.is_error, kept, seconds, answer.notes, answer.out_of_time)

    def usage(self) -> tuple[ToolUse, ...]:
        """Calls, errors and seconds per tool so far, by name; unknown tools are counted together."""
        return tuple(
            ToolUse(name=name, calls=t.calls, errors=t.errors, seconds=t.seconds)
            for name, t in sorted(self._tallies.items())
        )


async def _listed(client: Client) -> list[mcp_types.Tool]:
    return (await client.list_tools()).tools


async def _ask(client: Client, name: str, arguments: dict[str, Any] | None) -> ToolAnswer:
    """Call a tool of the arena's own."""
    try:
        result = await client.call_tool(name, arguments)
    except MCPError as error:
        return ToolAnswer.error("tool_failed", str(error))
    return ToolAnswer(text_of(result), bool(result.is_error), (result.meta or {}).get(NOTES, {}))


def _until(deadline: float | None, route: Route) -> Route:
    """The route, given up where the session's time is over; the arena's own tools never wait for anybody."""

    async def answer(arguments: dict[str, Any] | None) -> ToolAnswer:
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()) as limit:
                return await route(arguments)
        except TimeoutError:
            if limit.expired():
                return ToolAnswer(_error("out_of_time", _OUT_OF_TIME), is_error=True, out_of_time=True)
            raise

    return answer


def _decoded(arguments: object) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return decoded(arguments), None
    except ToolArgumentsError as error:
        return None, _error("invalid_arguments", str(error))


def _error(code: str, message: str) -> str:
    return json.dumps({"error": code, "message": message})
