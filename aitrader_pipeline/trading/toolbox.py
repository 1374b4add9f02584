"""The toolbox of a session: its MCP servers, their tools under one roof, calls timed and counted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types
import pydantic_core
from mcp import Client
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.trading.record import ToolUse
from aitrader_pipeline.trading.traders import ToolSchema

# The brackets that a record puts around a tool's input are fewer.
_DEPTH_IN_RECORD = 8


@dataclass(frozen=True)
class ToolResult:
    """The text that goes back to the trader, whether it is an error, what the tool was given, and its time."""

    text: str
    is_error: bool
    input: Any
    seconds: float


@dataclass
class _Tally:
    calls: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass
class Toolbox:
    """The tools of one session, by name."""

    schemas: tuple[ToolSchema, ...]
    _clients: Mapping[str, Client]
    _tallies: dict[str, _Tally] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls, servers: Sequence[Server[Any]]) -> AsyncIterator["Toolbox"]:
        """Connect to the servers and list their tools.

        Raises:
            ConfigError: two servers offer a tool of the same name.
        """
        failure: BaseException | None = None
        async with AsyncExitStack() as stack:
            try:
                yield await cls._connect(stack, servers)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as the next line says
                # The clients' task groups wrap an error and choke on a cancellation: it is raised after them.
                failure = error
        if failure is not None:
            raise failure

    @classmethod
    async def _connect(cls, stack: AsyncExitStack, servers: Sequence[Server[Any]]) -> "Toolbox":
        schemas: list[ToolSchema] = []
        clients: dict[str, Client] = {}
        for server in servers:
            client = await stack.enter_async_context(Client(server))
            for tool in (await client.list_tools()).tools:
                if tool.name in clients:
                    raise ConfigError(f"two tool servers offer a tool named {tool.name}; rename one of them")
                clients[tool.name] = client
                schemas.append(ToolSchema(tool.name, tool.description or "", tool.input_schema))
        return cls(tuple(schemas), clients)

    async def call(self, name: str, arguments: object) -> ToolResult:
        """Run one tool; whatever a trader sends, it gets an answer.

        Args:
            name: the tool's name as the trader wrote it.
            arguments: an object, or the JSON text of one; anything else is an error result.
        """
        started = time.perf_counter()
        given, problem = _decoded(arguments)
        if name not in self._clients:
            problem = _error("unknown_tool", f"there is no tool {name}; there are: {', '.join(self._clients)}")
        text, is_error = (problem, True) if problem else await self._run(name, given)
        seconds = time.perf_counter() - started
        tally = self._tallies.setdefault(name if name in self._clients else "unknown", _Tally())
        tally.calls += 1
        tally.errors += is_error
        tally.seconds += seconds
        return ToolResult(text, is_error, given if given is not None else arguments, seconds)

    async def _run(self, name: str, arguments: dict[str, Any] | None) -> tuple[str, bool]:
        try:
            result = await self._clients[name].call_tool(name, arguments)
        except MCPError as error:
            return _error("tool_failed", str(error)), True
        texts = [part.text for part in result.content if isinstance(part, mcp_types.TextContent)]
        return "\n".join(texts), bool(result.is_error)

    def usage(self) -> tuple[ToolUse, ...]:
        """Calls, errors and seconds per tool so far, by name; unknown tools are counted together."""
        return tuple(
            ToolUse(name=name, calls=t.calls, errors=t.errors, seconds=t.seconds)
            for name, t in sorted(self._tallies.items())
        )


def _decoded(arguments: object) -> tuple[dict[str, Any] | None, str | None]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            return None, _error("invalid_arguments", f"the arguments are not valid JSON: {error}")
    if arguments is None:
        return {}, None
    if not isinstance(arguments, dict):
        kind = "a JSON text inside a JSON text" if isinstance(arguments, str) else type(arguments).__name__
        return None, _error("invalid_arguments", f"the arguments must be a JSON object, not {kind}")
    if not _can_be_kept(arguments):
        return None, _error(
            "invalid_arguments",
            "the arguments hold what JSON cannot: NaN, a huge number, half a character or deep nesting",
        )
    return arguments, None


def _can_be_kept(arguments: dict[str, Any]) -> bool:
    """Whether a record that holds the arguments can be written and read again.

    Python reads NaN, 1e999, half a surrogate pair and any depth of brackets; the reader of records does not.
    """
    try:
        text = json.dumps(arguments, allow_nan=False)
        pydantic_core.from_json("[" * _DEPTH_IN_RECORD + text + "]" * _DEPTH_IN_RECORD)
    except (ValueError, RecursionError):
        return False
    return True


def _error(code: str, message: str) -> str:
    return json.dumps({"error": code, "message": message})
