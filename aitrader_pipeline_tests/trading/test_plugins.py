"""Traders of one's own, as docs/your-own-trader.md shows them: run and recorded like every other."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline_tests.arena_homes import priced_arena
from aitrader_pipeline_tests.markets import (
    FLAT,
    OCT_02,
    OCT_03,
    OCT_06,
    baseline,
    book_of,
    failure,
    finished,
    new_arena,
    run,
)

EXAMPLE = re.compile(r"```python title=\"dip_buyer\.py\"\n(.*?)```", re.DOTALL)
MINE = {"name": "Mine", "signature": "mine", "trader": "dip_buyer:DipBuyer", "params": {"shares": 3}}


@pytest.fixture
def _documented_trader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example of the documentation, in the folder from which the arena is run."""
    (example,) = EXAMPLE.findall((PROJECT_ROOT / "docs" / "your-own-trader.md").read_text(encoding="utf-8"))
    (tmp_path / "dip_buyer.py").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("dip_buyer", None)


@pytest.mark.usefixtures("_documented_trader")
def test_the_documented_trader_trades_with_its_params(tmp_path: Path) -> None:
    quotes = {"AAPL": {OCT_02: ("100", "101"), OCT_03: ("90", "95"), OCT_06: ("96", "99")}}
    arena = new_arena(tmp_path, [MINE], quotes)
    first, second, third = finished(arena, "mine", [OCT_02, OCT_03, OCT_06])
    assert [book_of(record) for record in (first, second, third)] == [
        (10000, {}),
        (9730, {"AAPL": 3}),
        (9730, {"AAPL": 3}),
    ]
    assert (second.kind, second.trader, second.end_reason) == ("model", "dip_buyer:DipBuyer", "finished")


@pytest.mark.usefixtures("_documented_trader")
def test_a_whole_arena_ranks_it(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [MINE], FLAT)
    arena.ok("run", "--end", OCT_03)
    assert arena.rows("SELECT model, kind FROM leaderboard WHERE kind <> 'benchmark'") == [("mine", "model")]


SLOPPY = """
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL
from aitrader_pipeline.trading.traders import Reply


async def nothing(*_):
    return None


async def a_dict(*_):
    return {"text": FINISH_SIGNAL}


async def a_coroutine(*_):
    return nothing()


def no_coroutine(*_):
    return Reply(FINISH_SIGNAL)


async def no_text(*_):
    return Reply(None)


async def a_list_of_dicts(*_):
    return Reply(FINISH_SIGNAL, [{"id": "1", "name": "buy", "arguments": {"symbol": "AAPL", "amount": 1}}])


class Sloppy:
    def __init__(self, answers=None, converses=None, closes=None):
        self.answers, self.converses, self.closes = answers, converses, closes

    def converse(self, briefing):
        if self.converses:
            return globals()[self.converses]()
        self.reply = globals()[self.answers]
        return self

    def close(self):
        if self.closes:
            raise OSError(self.closes)
"""
REPLY_IS = "it must be `async def` and return a Reply of a text and a tuple of tool calls"
CONVERSE_IS = "it must be a plain `def` and return an object with a method `reply(messages, tools)`"
NO_REPLIES = {
    "None": ({"answers": "nothing"}, f"reply returned None; {REPLY_IS}"),
    "a dict": ({"answers": "a_dict"}, f"reply returned dict: {{'text': '<FINISH_SIGNAL>'}}; {REPLY_IS}"),
    "a coroutine": (
        {"answers": "a_coroutine"},
        f"reply returned a coroutine that was never awaited (nothing); {REPLY_IS}",
    ),
    "no coroutine": ({"answers": "no_coroutine"}, "reply returned Reply: Reply(text='<FINISH_SIGNAL>'"),
    "a reply without a text": (
        {"answers": "no_text"},
        "reply returned a Reply whose text is wrong: Input should be a valid string",
    ),
    "no conversation": (
        {"converses": "nothing"},
        f"converse returned a coroutine that was never awaited (nothing); {CONVERSE_IS}",
    ),
}


@pytest.fixture
def _sloppy_trader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "sloppy.py").write_text(SLOPPY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("sloppy", None)


def sloppy_arena(folder: Path, **params: str) -> Arena:
    return new_arena(folder, [{**MINE, "trader": "sloppy:Sloppy", "params": params}, baseline("cash")], FLAT)


@pytest.mark.usefixtures("_sloppy_trader")
@pytest.mark.parametrize("priced", [False, True], ids=["free", "paid"])
@pytest.mark.parametrize(("params", "said"), NO_REPLIES.values(), ids=NO_REPLIES)
def test_a_trader_that_returns_no_reply_is_told_what_it_returned_and_what_is_right(
    params: dict[str, str], said: str, priced: bool, tmp_path: Path
) -> None:
    price = {"price": {"input": 1, "output": 1}} if priced else {}
    arena = new_arena(tmp_path, [{**MINE, **price, "trader": "sloppy:Sloppy", "params": params}], FLAT)
    error = failure(arena, "mine", OCT_02)
    assert isinstance(error, SessionError)
    assert str(error).startswith("the trader sloppy:Sloppy: ")
    assert said in str(error)
    assert not arena.records.dates("mine")


@pytest.mark.usefixtures("_sloppy_trader")
def test_a_reply_whose_tool_calls_are_written_as_a_list_of_dicts_is_understood(tmp_path: Path) -> None:
    (record,) = finished(sloppy_arena(tmp_path, answers="a_list_of_dicts"), "mine", OCT_02)
    assert record.end.shares == {"AAPL": 1}


@pytest.mark.usefixtures("_sloppy_trader")
def test_a_trader_that_cannot_be_closed_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arena = sloppy_arena(tmp_path, answers="a_list_of_dicts", closes="the line is dead")
    outcome = run(arena, ["mine", "cash"], [OCT_02, OCT_03])
    assert (len(outcome.done), outcome.failures) == (4, [])
    assert "the trader sloppy:Sloppy could not be closed" in caplog.text
    assert "the line is dead" in caplog.text


WRONG = {
    "no such module": ("nowhere:Trader", {}, "cannot be imported: ModuleNotFoundError"),
    "no such name in it": ("json:Trader", {}, "cannot be imported: AttributeError"),
    "params that it does not take": ("json:JSONDecoder", {"shares": 3}, "cannot be made: TypeError"),
    "no trader": ("json:JSONDecoder", {}, "is no trader: it has no method converse, close"),
}


@pytest.mark.parametrize(("named", "params", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_trader_is_told_with_its_field(
    named: str, params: dict[str, int], said: str, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path, [{**MINE, "trader": named, "params": params}], FLAT)
    with pytest.raises(ConfigError, match=re.escape("models[mine].trader: ")) as told:
        arena.seat("mine")
    assert said in str(told.value)


def test_a_name_that_is_no_import_path_is_refused_with_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not a known trader.*or one of your own, such as"):
        new_arena(tmp_path, [{**MINE, "trader": "my trader"}], FLAT)
