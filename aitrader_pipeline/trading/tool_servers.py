"""The user's own tool servers: one connection each for all sessions of a run, made when it is first needed.

A server that is lost is connected to again for the next session or call. Sessions share nothing but the
connection: tools are listed anew for each, an answer goes to its caller alone, and nothing is cached.
"""

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TextIO, cast

import httpx2
import mcp_types
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from aitrader_pipeline.config import McpServerConfig
from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.tool_answers import ToolAnswer, cut, text_of

# The library logs what servers send, which may echo a key; what matters of it is told in errors.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL + 1)

_LONGEST_REASON = 300
# What the library makes of a server over HTTP that no longer knows the connection.
_FORGOTTEN = "Session terminated"


class ToolServer:
    """One of the config's ``mcp_servers``."""

    def __init__(self, name: str, config: McpServerConfig, environ: Mapping[str, str]) -> None:
        """Prepare to connect; nothing is started yet.

        Args:
            name: its name in the config.
            config: how it is reached, and what of it is offered.
            environ: the environment that holds what the config refers to.
        """
        self.name = name
        self._config = config
        self._environ = environ
        self._secrets = config.secrets(environ)
        self._connection: _Connection | None = None

    async def tools(self) -> list[mcp_types.Tool]:
        """The tools that the config allows, as the server lists them now.

        Raises:
            ConfigError: a variable that the config refers to is not set, or it allows what the server has not.
            SessionError: the server is down.
        """
        was_connected = self._connection is not None and self._connection.client.done()
        try:
            listed = await self._listed()
        except SessionError:
            # A server may have been restarted since the session before.
            if not was_connected:
                raise
            listed = await self._listed()
        names = [tool.name for tool in listed]
        if unmatched := self._config.unmatched(names):
            raise ConfigError(
                f"mcp_servers.{self.name}.allow: {', '.join(map(repr, unmatched))} matches none of its tools, "
                f"which are: {', '.join(names) or 'none'}"
            )
        return [tool for tool in listed if self._config.allows(tool.name)]

    async def call(self, name: str, about: Mapping[str, str], arguments: dict[str, Any] | None) -> ToolAnswer:
        """Call a tool; whatever becomes of the server, there is an answer.

        Args:
            name: the tool's name at the server.
            about: what the server is told of the session, beside the arguments and out of the trader's sight.
            arguments: what the trader sent.
        """
        meta = cast("mcp_types.RequestParamsMeta", dict(about))
        connection = self._connected()
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                client = await asyncio.shield(connection.client)
                result = await client.call_tool(name, arguments, meta=meta)
        except Exception as error:  # noqa: BLE001 - a server of somebody else's must not end the day
            if connection.is_lost_by(error):
                await self._drop(connection)
            return ToolAnswer.error("tool_failed", self._reason(error))
        # In this order: a key that is cut in two would not be found.
        text = cut(self._without_secrets(text_of(result)), self._config.max_characters)
        return ToolAnswer(text, bool(result.is_error))

    async def close(self) -> None:
        """End the connection; a server that was started is stopped."""
        if self._connection is not None:
            await self._drop(self._connection)

    def _connected(self) -> "_Connection":
        if self._connection is None or self._connection.is_over:
            missing = self._config.missing(self._environ)
            if missing:
                raise ConfigError(
                    f"mcp_servers.{self.name}: the environment has no {', '.join(missing)}; "
                    "put the value into it, or into a .env file"
                )
            self._connection = _Connection(self._config, self._environ)
        return self._connection

    async def _drop(self, connection: "_Connection") -> None:
        if self._connection is connection:
            self._connection = None
        await connection.close()

    async def _listed(self) -> list[mcp_types.Tool]:
        connection = self._connected()
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                client = await asyncio.shield(connection.client)
                page = await client.list_tools()
                tools = list(page.tools)
                while page.next_cursor is not None:
                    page = await client.list_tools(cursor=page.next_cursor)
                    tools += page.tools
        except Exception as error:  # noqa: BLE001 - whatever it is that a server of somebody else's does
            await self._drop(connection)
            reason = self._reason(error)
            if connection.last_words:
                reason += f" (its last words: {self._without_secrets(connection.last_words)[:_LONGEST_REASON]})"
            way = "command, args and env" if self._config.command else "url and headers"
            raise SessionError(
                f"the tool server {self.name} is down: {reason}; check {way} of mcp_servers.{self.name}"
            ) from None
        return [self._shown(tool) for tool in tools]

    def _shown(self, tool: mcp_types.Tool) -> mcp_types.Tool:
        """The tool as the server describes it, without the keys that it was given."""
        description = tool.model_dump_json(by_alias=True, include={"name", "description", "input_schema"})
        return mcp_types.Tool.model_validate_json(self._without_secrets(description))

    def _reason(self, error: Exception) -> str:
        """Why it failed, in few words; of what the server said, nothing that it was given to keep."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, TimeoutError):
            return f"no answer within {self._config.timeout_seconds:g} s"
        if isinstance(error, MCPError):
            return self._without_secrets(error.message)[:_LONGEST_REASON]
        if isinstance(error, OSError) and error.strerror:
            return f"{self._config.command or 'the connection'}: {error.strerror}"
        verb = "reached" if isinstance(error, httpx2.TransportError) else "understood"
        return f"it cannot be {verb} ({type(error).__name__})"

    def _without_secrets(self, text: str) -> str:
        for secret, variable in self._secrets.items():
            for form in {secret, json.dumps(secret)[1:-1]}:
                text = text.replace(form, f"[{variable}]")
        return text


class _Connection:
    """A client that a task of its own holds: what it opens has to be closed by the task that opened it.

    Attributes:
        client: the client, once the server has answered.
        last_words: once it is over, the last line that a started server wrote beside its answers, or the last
            HTTP status that was an error.
    """

    def __init__(self, config: McpServerConfig, environ: Mapping[str, str]) -> None:
        self.client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self.last_words = ""
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._hold(config, environ))

    @property
    def is_over(self) -> bool:
        return self._task.done()

    def is_lost_by(self, error: Exception) -> bool:
        """Whether the connection is of no use any more after a call that failed."""
        if isinstance(error, TimeoutError):
            return False
        ended = isinstance(error, MCPError) and error.code == mcp_types.CONNECTION_CLOSED
        forgotten = isinstance(error, MCPError) and error.message == _FORGOTTEN
        return ended or forgotten or self.is_over or not isinstance(error, MCPError | RuntimeError | ValueError)

    async def close(self) -> None:
        self._end.set()
        if not self.client.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _hold(self, config: McpServerConfig, environ: Mapping[str, str]) -> None:
        failure: Exception = TimeoutError()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            try:
                async with Client(self._transport(config, environ, errors), cache=None) as client:
                    self.client.set_result(client)
                    await self._end.wait()
            except Exception as error:  # noqa: BLE001 - it is the callers' to tell
                failure = error
            finally:
                errors.seek(0)
                for line in errors:
                    self.last_words = line.strip() or self.last_words
                if not self.client.done():
                    self.client.set_exception(failure)
                    # Asyncio would log a failure that nobody waits for any more.
                    self.client.exception()

    async def _note(self, response: httpx2.Response) -> None:
        if response.is_error:
            self.last_words = f"HTTP {response.status_code} {response.reason_phrase}"

    @asynccontextmanager
    async def _transport(
        self, config: McpServerConfig, environ: Mapping[str, str], errors: TextIO
    ) -> AsyncIterator[TransportStreams]:
        if config.url is None:
            program = StdioServerParameters(
                command=config.command or "",
                args=list(config.args),
                env=config.filled(config.env, environ),
                cwd=config.cwd,
                encoding_error_handler="replace",
            )
            async with stdio_client(program, errlog=errors) as streams:
                yield streams
        else:
            http_client = httpx2.AsyncClient(
                headers=config.filled(config.headers, environ),
                # A read that timed out would end the connection for all sessions; calls have their own limit.
                timeout=httpx2.Timeout(config.timeout_seconds, read=None),
                event_hooks={"response": [self._note]},
            )
            async with http_client, streamable_http_client(config.url, http_client=http_client) as streams:
                yield streams
