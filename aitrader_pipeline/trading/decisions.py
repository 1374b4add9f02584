"""Decisions: every order that a model placed, refused ones too, with what it said for it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aitrader_pipeline.trading.ledger import RefusalCode
from aitrader_pipeline.trading.record import Action, Message, RefusedOrder, SessionRecord

_ORDERS = ("buy", "sell")
# "confidence: 80", "80% confidence", "Confidence level = 0.8", "confidence of 7/10".
_STATED = re.compile(
    r"confidence(?:\s+(?:level|score))?(?:\s+(?:of|is)|\s*[:=])?\s*\**\s*(?P<after>\d+(?:\.\d+)?)"
    r"\s*(?P<unit>%|/\s*100?\b)?"
    r"|(?P<before>\d+(?:\.\d+)?)\s*%\s+(?:confidence|confident)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Decision:
    """An order and its reasons.

    Attributes:
        order: the fill, or the refusal.
        reasoning: the text in which the model argued for it: that of the same turn, else the newest before.
        confidence: what the model stated of it, 0 to 100; None where it stated nothing.
        message: the tool's line in the transcript; None for an imported book, which has none.
    """

    order: Action | RefusedOrder
    reasoning: str
    confidence: float | None
    message: Message | None

    @property
    def executed(self) -> bool:
        """Whether the order was filled."""
        return isinstance(self.order, Action)


def decisions(record: SessionRecord) -> Iterator[Decision]:
    """The decisions of a session in the order in which they were made; of an imported book, its fills."""
    if record.source == "import":
        yield from (Decision(fill, "", None, None) for fill in record.fills)
        return
    fills, refusals = iter(record.fills), iter(record.refusals)
    said = ""
    for message in record.messages:
        if message.role == "assistant" and message.content.strip():
            said = message.content
        if message.role != "tool" or message.tool_name not in _ORDERS:
            continue
        order = next(fills if not message.is_error else refusals if _is_refusal(message) else iter(()), None)
        if order is not None:
            yield Decision(order, said, _confidence(message.tool_input, said), message)


def _is_refusal(message: Message) -> bool:
    """Whether the ledger has refused; a call that could not be read never came to it."""
    try:
        answer = json.loads(message.content)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("error") in {code.value for code in RefusalCode}


def _confidence(given: Any, said: str) -> float | None:  # noqa: ANN401 - whatever the model sent
    """What the order's own arguments say, else the turn's text if it states one figure."""
    stated = given.get("confidence") if isinstance(given, dict) else None
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return _percent(float(stated), "")
    found = {_percent(float(m["after"] or m["before"]), m["unit"] or "") for m in _STATED.finditer(said)}
    return found.pop() if len(found) == 1 else None


def _percent(value: float, unit: str) -> float | None:
    """On the scale of 0 to 100; a bare fraction up to 1 is of one."""
    if unit.startswith("/") and not unit.endswith("100"):
        value *= 10
    elif not unit and 0 < value <= 1:
        value *= 100
    return value if 0 <= value <= 100 else None
