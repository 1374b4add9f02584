"""How the endpoint's models play: by themselves, by a script from a file, and with faults at given rates."""

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from aitrader_pipeline.errors import CallError
from aitrader_pipeline.trading.fake_openai.answers import (
    Answer,
    Call,
    after,
    fails,
    finishes,
    hangs_up,
    says,
    sends,
    tokens,
)
from aitrader_pipeline.trading.fake_openai.received import Body, Received
from aitrader_pipeline.trading.fake_openai.server import Responder

_QUOTE = re.compile(r"^([A-Z0-9^][A-Z0-9.^=-]*), \S+, (\d[\d.]*)$", re.MULTILINE)
_MOST_BOUGHT = 3
_NEVER = 600.0
_GARBAGE: Sequence[Body | str] = (
    "<html><body>502 Bad Gateway</body></html>",
    '{"id": "x", "choices": [{"mess',
    {"id": "x", "choices": None, "output": None, "error": {"message": "upstream is busy", "code": 502}},
    {},
)
_EVERY_MODEL = "*"


def small_buyer(received: Received) -> Answer:
    """Looks up a price, buys a few shares of that symbol, and is done; the same way for the same model and day."""
    quoted = [symbol for symbol, _ in _QUOTE.findall(received.prompt)]
    draw = random.Random(f"{received.model} {received.date}")  # noqa: S311 # nosec B311
    usage = tokens(len(json.dumps(received.messages)) // 4, 40)
    if not quoted or not {"get_price_local", "buy"} <= received.tools.keys():
        return finishes("There is nothing here that I could buy.", usage)
    symbol, amount = draw.choice(quoted), draw.randint(1, _MOST_BOUGHT)
    order = Call("buy", {"symbol": symbol, "amount": amount})
    turns = [
        says(
            f"I look at {symbol} first.",
            Call("get_price_local", {"symbol": symbol, "date": received.date}),
            usage=usage,
        ),
        says(f"A little more of {symbol}.", order, usage=usage),
    ]
    made = _turns_so_far(received)
    return turns[made] if made < len(turns) else finishes(f"I wanted {amount} of {symbol} today.", usage)


class _ScriptedCall(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: dict[str, Any] | str = {}


class _ScriptedTurn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = ""
    calls: tuple[_ScriptedCall, ...] = ()


_SCRIPT = TypeAdapter[list[_ScriptedTurn] | dict[str, list[_ScriptedTurn]]](
    list[_ScriptedTurn] | dict[str, list[_ScriptedTurn]]
)


def scripted(path: Path) -> Responder:
    """Play every session by a file: a list of turns, or lists by the models' names with ``*`` for all others.

    A turn is ``{"text": …, "calls": [{"name": …, "arguments": …}]}``; after the last one the model finishes.

    Raises:
        CallError: the file cannot be read, or is no such script.
    """
    try:
        script = _SCRIPT.validate_json(path.read_bytes())
    except OSError as error:
        raise CallError(f"--script {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CallError(
            f"--script {path}: {where}: {first['msg']}; use a list of turns such as "
            '{"text": "I buy.", "calls": [{"name": "buy", "arguments": {"symbol": "AAPL", "amount": 1}}]}'
        ) from None
    by_model = script if isinstance(script, dict) else {_EVERY_MODEL: script}

    def respond(received: Received) -> Answer:
        turns = by_model.get(received.model, by_model.get(_EVERY_MODEL))
        if turns is None:
            return fails(404, f"the script has no turns for the model {received.model}")
        made = _turns_so_far(received)
        if made >= len(turns):
            return finishes()
        return says(turns[made].text, *(Call(call.name, call.arguments) for call in turns[made].calls))

    return respond


def delayed(respond: Responder, seconds: float) -> Responder:
    """The same answers, each so much later."""
    return lambda received: after(seconds, respond(received))


@dataclass(frozen=True)
class Faults:
    """Shares of the requests that go wrong: by HTTP status, or ``timeout``, ``cut`` and ``garbage``."""

    rates: Mapping[str, float]
    seed: int = 0

    @classmethod
    def parsed(cls, text: str, seed: int = 0) -> "Faults":
        """Faults as the command line has them: ``429=0.1,cut=0.05``.

        Raises:
            CallError: that is not what the text is.
        """
        rates: dict[str, float] = {}
        for entry in filter(None, text.split(",")):
            name, _, share = entry.strip().partition("=")
            if name not in ("timeout", "cut", "garbage") and not re.fullmatch(r"[45]\d\d", name):
                raise CallError(f"--faults {entry}: use a status from 400 to 599, timeout, cut or garbage")
            if not re.fullmatch(r"\d*\.?\d+", share) or not 0 <= float(share) <= 1:
                raise CallError(f"--faults {entry}: use a share between 0 and 1, such as {name}=0.1")
            rates[name] = float(share)
        if sum(rates.values()) > 1:
            raise CallError(f"--faults {text}: the shares are more than 1 together")
        return cls(rates, seed)

    def upon(self, respond: Responder) -> Responder:
        """The same answers, some of them lost to faults.

        Which ones hangs on the seed, the request, and how often it has come: not on the order of the requests.
        """
        seen: Counter[str] = Counter()

        def faulty(received: Received) -> Answer:
            request = hashlib.sha256(json.dumps(received.body, sort_keys=True).encode()).hexdigest()
            seen[request] += 1
            draw = random.Random(f"{self.seed} {request} {seen[request]}")  # noqa: S311 # nosec B311
            lot = draw.random()
            for name, share in self.rates.items():
                if lot < share:
                    return _fault(name, draw)
                lot -= share
            return respond(received)

        return faulty


def _fault(name: str, draw: random.Random) -> Answer:
    match name:
        case "timeout":
            return after(_NEVER, fails(504))
        case "cut":
            return hangs_up()
        case "garbage":
            return sends(draw.choice(_GARBAGE))
        case _:
            return fails(int(name))


def _turns_so_far(received: Received) -> int:
    return sum(message["role"] == "assistant" for message in received.messages)
