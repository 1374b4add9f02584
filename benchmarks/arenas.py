"""Arenas to be measured, on the real bars that the sample is cut from.

The committed sample has 196 sessions, which are too few; its source has 13 years of them.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bokeh_sampledata import stocks

from aitrader_pipeline_tests.arena_homes import ArenaHome

SYMBOLS = ("AAPL", "MSFT", "IBM", "GOOG", "FB")
_COLUMNS = ("date", "open", "high", "low", "close", "volume")


def sessions(first: str = "2000-03-01") -> list[dt.date]:
    """Every session of the source from a date on."""
    return [dt.date.fromisoformat(date) for date in stocks.AAPL["date"] if date >= first]


def holders(count: int) -> list[dict[str, Any]]:
    """Config entries of traders that answer at once: each buys on its first day and holds."""
    return [{"name": f"Holder {i}", "signature": f"holder-{i:02}", "trader": "buy_and_hold"} for i in range(count)]


def write_arena(
    folder: Path, models: Sequence[Mapping[str, Any]], dates: Sequence[dt.date], **environ: str
) -> ArenaHome:
    """Write an arena of these sessions, and prices that end with the last of them; what it has done stands.

    Args:
        folder: where its files are put; its state lies in ``home``.
        models: the config's entries.
        dates: its sessions, in order.
        environ: variables of its processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, last = dates[0].isoformat(), dates[-1].isoformat()
    config = {
        "date_range": {"init_date": first, "end_date": last},
        "models": list(models),
        "market": {"source": "files", "path": "prices.csv"},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = [line for symbol in SYMBOLS for line in _bars(symbol, last)]
    (folder / "prices.csv").write_text("\n".join(["symbol,date,open,high,low,close,volume", *lines, ""]))
    return ArenaHome(folder, {"AITRADER_CONFIG": str(folder / "config.json"), **environ})


def _bars(symbol: str, last: str) -> list[str]:
    data = getattr(stocks, symbol)
    rows = zip(*(data[name] for name in _COLUMNS), strict=True)
    return [",".join((symbol, *map(str, row))) for row in rows if row[0] <= last]
