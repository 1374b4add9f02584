"""Traders of a user's own: what they answer is looked at before anything is made of it."""

import inspect
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aitrader_pipeline.errors import SessionError
from aitrader_pipeline.trading.prompt import Briefing
from aitrader_pipeline.trading.record import Message
from aitrader_pipeline.trading.traders import Allowance, Conversation, Reply, ToolSchema, Trader

_log = logging.getLogger(__name__)
_REPLY = TypeAdapter(Reply)
_LONGEST = 200
_REPLY_IS = "must be `async def` and return a Reply of a text and a tuple of tool calls"


class OwnTrader:
    """A trader of somebody else's making, held to what a trader has to answer."""

    def __init__(self, name: str, trader: Trader) -> None:
        """Wrap a trader that the config names so."""
        self._name = name
        self._trader = trader

    def converse(self, briefing: Briefing) -> Conversation:
        """Begin a session.

        Raises:
            SessionError: what the trader begins is no conversation.
        """
        conversation: Any = self._trader.converse(briefing)
        if not callable(getattr(conversation, "reply", None)):
            right = "must be a plain `def` and return an object with a method `reply(messages, tools)`"
            raise _wrong(self._name, "converse", conversation, right)
        is_metered = callable(getattr(conversation, "reply_within", None))
        return (_OwnMeteredConversation if is_metered else _OwnConversation)(self._name, conversation)

    async def close(self) -> None:
        """Release connections; what goes wrong with that ends no model-day, for all of its have ended."""
        try:
            closed: Any = self._trader.close()
            if inspect.isawaitable(closed):
                await closed
        except Exception:  # noqa: BLE001 - whatever somebody else's code raises
            _log.warning("the trader %s could not be closed", self._name, exc_info=True)


class _OwnConversation:
    def __init__(self, name: str, conversation: Any) -> None:  # noqa: ANN401 - somebody else's object
        self._name = name
        self._conversation = conversation

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Reply:
        return await self._checked("reply", self._conversation.reply(messages, tools))

    async def _checked(self, method: str, answer: object) -> Reply:
        """What a method has returned, if that is a reply.

        Raises:
            SessionError: it is none.
        """
        if not isinstance(answer, Awaitable):
            raise _wrong(self._name, method, answer, _REPLY_IS)
        reply = await answer
        if not isinstance(reply, Reply):
            raise _wrong(self._name, method, reply, _REPLY_IS)
        try:
            return _REPLY.validate_python(vars(reply))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise SessionError(
                f"the trader {self._name}: {method} returned a Reply whose {field} is wrong: {first['msg']}"
            ) from None


class _OwnMeteredConversation(_OwnConversation):
    async def reply_within(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], allowance: Allowance
    ) -> Reply:
        return await self._checked("reply_within", self._conversation.reply_within(messages, tools, allowance))


def _wrong(name: str, method: str, returned: object, right: str) -> SessionError:
    what = "None" if returned is None else f"{type(returned).__name__}: {returned!r}"[:_LONGEST]
    if inspect.iscoroutine(returned):
        # Python would warn of it on its own, much later and without a name.
        returned.close()
        what = f"a coroutine that was never awaited ({returned.__qualname__})"
    return SessionError(f"the trader {name}: {method} returned {what}; it {right}")
