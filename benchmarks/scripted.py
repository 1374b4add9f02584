"""An arena on the committed sample, half of it behind an endpoint of this machine that thinks for a while."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.markets import ENVIRON, day, model
from aitrader_pipeline_tests.openai_server import Answer, OpenAIServer, Received, after, buy, finishes, says, sell

_FIRST, _LAST = "2012-10-01", "2013-03-01"
_SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def scripted_arena(
    folder: Path, server: OpenAIServer, models: int, sessions: int, seconds: float = 0.3
) -> tuple[ArenaHome, frozenset[Cell]]:
    """Write an arena whose sessions always go the same way, however often and by whom they are run.

    Args:
        folder: where its files are put.
        server: what answers for the models that are no baselines.
        models: how many, up to half of them baselines.
        sessions: how many.
        seconds: how long a model thinks before an answer, at most.

    Returns:
        The arena, and its model-days.
    """
    dates = TradingCalendar("XNAS", day(_FIRST), day(_LAST)).sessions(day(_FIRST), day(_LAST))[:sessions]
    default = json.loads((PROJECT_ROOT / "configs" / "default_config.json").read_text(encoding="utf-8"))
    roster = default["models"][: models // 2]
    names = [f"thinker-{number:02}" for number in range(models - len(roster))]
    for name in names:
        server.respond(name, _thinker(seconds))
        roster.append(model(name, server.base_url))
    override = {
        "date_range": {"init_date": dates[0].isoformat(), "end_date": dates[-1].isoformat()},
        "models": roster,
    }
    path = folder / "override.json"
    path.write_text(json.dumps(override), encoding="utf-8")
    arena = ArenaHome(folder, {"AITRADER_CONFIG_OVERRIDE": str(path), **ENVIRON})
    return arena, frozenset(Cell(date, str(entry["signature"])) for date in dates for entry in roster)


def _thinker(seconds: float) -> Callable[[Received], Answer]:
    """Buys, sometimes sells a part of it again, and is done; what it does hangs on its name and the day alone."""

    def answer(received: Received) -> Answer:
        draw = random.Random(f"{received.body['model']} {received.date}")
        symbol, bought, sold = draw.choice(_SYMBOLS), draw.randint(2, 4), draw.randint(0, 1)
        orders = [buy(symbol, bought), *([sell(symbol, sold)] if sold else [])]
        step = len(received.results())
        thought = draw.uniform(seconds / 3, seconds)
        return after(thought, says("", orders[step]) if step < len(orders) else finishes())

    return answer
