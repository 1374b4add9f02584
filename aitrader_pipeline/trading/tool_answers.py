"""What a tool server answers, as the text that a trader is given and a record keeps."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mcp_types


@dataclass(frozen=True)
class ToolAnswer:
    """The text for the trader, whether it is an error, and notes that are for the record alone.

    One that is out of time was not waited for to its end: the session's time was over.
    """

    text: str
    is_error: bool
    notes: Mapping[str, Any] = field(default_factory=dict)
    out_of_time: bool = False

    @classmethod
    def error(cls, code: str, message: str) -> "ToolAnswer":
        """An error that the trader may react to, in the form in which the arena's own tools report one."""
        return cls(json.dumps({"error": code, "message": message}), is_error=True)


# Where a tool's calls go.
Route = Callable[[dict[str, Any] | None], Awaitable[ToolAnswer]]


def text_of(result: mcp_types.CallToolResult) -> str:
    """The text of a tool's result.

    Texts as they are, one below the other; images, sounds and resources as a note of their kind and size.
    Structured content is shown where there is no text: servers send both for the same thing.
    """
    parts = [_part(part) for part in result.content]
    has_text = any(isinstance(part, mcp_types.TextContent) for part in result.content)
    if result.structured_content is not None and not has_text:
        parts.insert(0, json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts)


def cut(text: str, max_characters: int) -> str:
    """The beginning of a text that is too long, and a note that says so; any other as it is."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}\n[cut: the first {max_characters} of {len(text)} characters]"


def _part(part: mcp_types.ContentBlock) -> str:
    if isinstance(part, mcp_types.TextContent):
        return part.text
    if isinstance(part, mcp_types.ImageContent | mcp_types.AudioContent):
        return f"[{part.type}, {part.mime_type}, {_bytes_of(part.data)} bytes: not shown]"
    if isinstance(part, mcp_types.ResourceLink):
        size = "" if part.size is None else f", {part.size} bytes"
        return f"[resource {part.uri}{size}: not shown]"
    content = part.resource
    if isinstance(content, mcp_types.TextResourceContents):
        size = f"{len(content.text)} characters"
    else:
        size = f"{_bytes_of(content.blob)} bytes"
    return f"[resource {content.uri}, {content.mime_type or 'of no stated type'}, {size}: not shown]"


def _bytes_of(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
