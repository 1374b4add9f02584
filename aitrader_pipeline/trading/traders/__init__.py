"""Traders: whoever answers messages with text and tool calls. All of them go through the same session loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

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


@dataclass
class Allowance:
    """What a session allows for one model call; this one allows anything.

    Attributes:
        max_output_tokens: that the model may write; None for no limit.
    """

    max_output_tokens: int | None = None

    async def retry(self) -> None:
        """Asked before an attempt is repeated.

        Raises:
            BudgetSpentError: there is no money for another one.
        """

    def unbilled(self) -> None:
        """Told when the endpoint has refused an attempt, which then costs nothing."""


UNLIMITED = Allowance()


class Conversation(Protocol):
    """One session's exchange with a trader."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """Answer the transcript so far.

        Raises:
            SessionError: the trader cannot answer; the model-day fails.
        """
        ...


@runtime_checkable
class MeteredConversation(Protocol):
    """A conversation that keeps within what is allowed for each call; one of a user's own need not."""

    async def reply_within(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], allowance: Allowance
    ) -> Reply:
        """Answer the transcript so far, for no more than is allowed.

        Raises:
            SessionError: the trader cannot answer.
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
