"""Traders: whoever answers messages with text and tool calls. All of them go through the same session loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aitrader_pipeline.trading.prompt import Briefing
from aitrader_pipeline.trading.record import Message, ToolRequest


@dataclass(frozen=True)
class ToolSchema:
    """A tool as a trader sees it: name, description and the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call as the provider reports them, and the attempts that it took."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    attempts: int = 1


@dataclass(frozen=True)
class Reply:
    """A trader's turn: text, tool calls, or both. ``extra`` goes back to the provider with the next turn."""

    text: str
    tool_calls: tuple[ToolRequest, ...] = ()
    usage: Usage | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Conversation(Protocol):
    """One session's exchange with a trader."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """Answer the transcript so far.

        Raises:
            SessionError: the trader cannot answer; the model-day fails.
        """
        ...


class Trader(Protocol):
    """A trader across sessions; what it remembers from one to the next is its portfolio alone."""

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
