"""Tools over MCP: each server is bound to one session, out of the trader's sight."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

# Where an MCP result carries what is for the host alone.
NOTES = "aitrader/notes"


@dataclass(frozen=True)
class Answer:
    """What a tool returns: a JSON value, and whether it is an error that the trader may react to.

    The notes are for the record; the trader does not see them.
    """

    value: Any
    is_error: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def error(cls, code: str, message: str, **details: Any) -> "Answer":  # noqa: ANN401 - any JSON value
        """An error result with a stable code, a sentence and the numbers behind it."""
        return cls({"error": code, "message": message, **details}, is_error=True)


@dataclass(frozen=True)
class Tool:
    """A tool: its name, description, argument schema, and the function that answers a call.

    The function takes the arguments that the schema names; what else a trader sends is dropped, and what
    it leaves out arrives as None, so that the function can say what is missing.
    """

    name: str
    description: str
    properties: Mapping[str, Mapping[str, Any]]
    run: Callable[..., Answer | Awaitable[Answer]]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments; all are required."""
        return {
            "type": "object",
            "properties": {name: dict(schema) for name, schema in self.properties.items()},
            "required": list(self.properties),
        }


def tool_server(name: str, tools: Sequence[Tool]) -> Server[Any]:
    """An MCP server that offers the tools."""
    by_name = {tool.name: tool for tool in tools}
    listing = [
        mcp_types.Tool(name=tool.name, description=tool.description, input_schema=tool.schema()) for tool in tools
    ]

    async def list_tools(
        _context: ServerRequestContext[Any], _params: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=listing)

    async def call_tool(
        _context: ServerRequestContext[Any], params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        tool = by_name.get(params.name)
        answer = (
            Answer.error("unknown_tool", f"there is no tool {params.name}; there are: {', '.join(by_name)}")
            if tool is None
            else tool.run(**{key: (params.arguments or {}).get(key) for key in tool.properties})
        )
        if isawaitable(answer):
            answer = await answer
        text = mcp_types.TextContent(type="text", text=json.dumps(answer.value))
        meta = {NOTES: dict(answer.notes)} if answer.notes else None
        return mcp_types.CallToolResult(content=[text], is_error=answer.is_error, _meta=meta)

    return Server(name, on_list_tools=list_tools, on_call_tool=call_tool)
