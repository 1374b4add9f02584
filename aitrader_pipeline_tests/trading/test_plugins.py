"""Traders of one's own, as docs/your-own-trader.md shows them: run and recorded like every other."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline_tests.arena_homes import priced_arena
from aitrader_pipeline_tests.markets import FLAT, OCT_02, OCT_03, OCT_06, book_of, finished, new_arena

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
