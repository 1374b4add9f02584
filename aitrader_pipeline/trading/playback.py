"""Playback: what a session asks its model and foreign tools, answered from the recordings where it can be."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_args

import mcp_types
from pydantic import TypeAdapter

from aitrader_pipeline.errors import SessionError
from aitrader_pipeline.trading.prompt import Briefing
from aitrader_pipeline.trading.record import EndReason, Message
from aitrader_pipeline.trading.recordings import Kind, Tape
from aitrader_pipeline.trading.tool_answers import Route, ToolAnswer
from aitrader_pipeline.trading.traders import Conversation, Reply, ToolSchema

_REPLY = TypeAdapter(Reply)
_TOOLS = TypeAdapter(list[mcp_types.Tool])
_ANSWER = TypeAdapter(ToolAnswer)
# What the clock and our own counting add to a message is no part of what a model is asked.
_NOT_ASKED = {"at", "seconds", "step", "notes", "tool_input"}


class Absent:
    """A trader who is never asked, since every answer of its is recorded."""

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session."""
        del briefing
        return self

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        """Nobody answers.

        Raises:
            SessionError: always.
        """
        raise SessionError(
            f"replay: nobody is asked, whatever {len(messages)} messages and {len(tools)} tools say"
        )

    async def close(self) -> None:
        """There is nothing to release."""


class Playback:
    """One session's border to the outside."""

    def __init__(self, tape: Tape, about: Mapping[str, Any]) -> None:
        """Answer from a tape, and record onto it.

        Args:
            tape: the recordings of the model-day.
            about: what else a model is asked with: its name at the endpoint, the interface, the parameters.
        """
        self._tape = tape
        self._about = about
        self._counts: dict[Kind, int] = {}

    def reply(
        self, step: int, messages: Sequence[Message], tools: Sequence[ToolSchema]
    ) -> Reply | EndReason | None:
        """What the model answered, or the budget that ended the session instead; None where it is to be asked.

        Raises:
            SessionError: nobody may be asked, and something else was asked when it was recorded.
        """
        if not self._tape.is_read:
            return None
        found = self._tape.answer("model_call", step, self._asked(messages, tools))
        if found in get_args(EndReason):
            # The budget may be another one today.
            return None if self._tape.mode == "auto" else found
        if found is None:
            return None
        return _REPLY.validate_python(found)

    def keep(
        self, step: int, messages: Sequence[Message], tools: Sequence[ToolSchema], reply: Reply | EndReason
    ) -> None:
        """Record what the model has answered, or the budget that has ended the session."""
        if not self._tape.is_written:
            return
        answer = _REPLY.dump_python(reply, mode="json") if isinstance(reply, Reply) else reply
        self._tape.keep("model_call", step, self._asked(messages, tools), answer)

    async def tools(
        self, server: str, listed: Callable[[], Awaitable[list[mcp_types.Tool]]]
    ) -> list[mcp_types.Tool]:
        """The tools of a foreign server."""
        number = self._next("tool_list")
        # While it can be asked, what it offers, and what the config allows of that, is as it is today.
        found = self._tape.answer("tool_list", number, {"server": server}) if self._tape.mode == "replay" else None
        if found is not None:
            return _TOOLS.validate_python(found)
        tools = await listed()
        self._tape.keep("tool_list", number, {"server": server}, _TOOLS.dump_python(tools, mode="json"))
        return tools

    def route(self, tool: str, call: Route) -> Route:
        """A tool of a foreign server, whose calls are answered from the recordings where they can be."""

        async def answer(arguments: dict[str, Any] | None) -> ToolAnswer:
            asked = {"tool": tool, "arguments": arguments}
            number = self._next("tool_call")
            found = self._tape.answer("tool_call", number, asked)
            if found is not None:
                recorded = _ANSWER.validate_python(found)
                # As with a model's answers: the budget may be another one today.
                if not (recorded.out_of_time and self._tape.mode == "auto"):
                    return recorded
            answered = await call(arguments)
            self._tape.keep("tool_call", number, asked, _ANSWER.dump_python(answered, mode="json"))
            return answered

        return answer

    def _next(self, kind: Kind) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def _asked(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> dict[str, Any]:
        return {
            **self._about,
            "messages": [m.model_dump(mode="json", exclude=_NOT_ASKED, exclude_defaults=True) for m in messages],
            "tools": [vars(tool) for tool in tools],
        }
