"""Small arenas on real files: a config, a price file, a record store; and runs of their model-days."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.ex_dates import ExDates
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.sources.actions_csv import configured_actions
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Order, Outcome, run_order
from aitrader_pipeline.trading.record import SessionRecord

KEY = "sk-test-0123456789abcdefghij"
KEY_VARIABLE = "TEST_ENDPOINT_KEY"
ENVIRON = {KEY_VARIABLE: KEY}

# An open, or an open and a close; by symbol and by date as YYYY-MM-DD.
Quote = str | tuple[str, str]
Quotes = Mapping[str, Mapping[str, Quote]]

OCT_02, OCT_03, OCT_06, OCT_07 = "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07"
GOLDEN_DAYS = (OCT_02, OCT_03, OCT_06, OCT_07)
GOLDEN: Quotes = {
    "AAPL": {OCT_02: ("100", "103"), OCT_03: ("105", "104"), OCT_06: ("110", "109"), OCT_07: ("108", "107")},
    "MSFT": {OCT_02: ("200", "198"), OCT_03: ("195", "197"), OCT_06: ("190", "191"), OCT_07: ("210", "211")},
    "NVDA": {OCT_02: ("50", "52"), OCT_03: ("53.5", "54"), OCT_06: ("48.25", "49"), OCT_07: ("60", "61")},
}


# Ten sessions in a row, a weekend after the second and the seventh.
TEN_DAYS = tuple(f"2025-10-{number:02}" for number in (2, 3, 6, 7, 8, 9, 10, 13, 14, 15))
FLAT: Quotes = {"AAPL": dict.fromkeys(TEN_DAYS, ("100", "101"))}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def model(signature: str, base_url: str, **settings: Any) -> dict[str, Any]:
    """A config's entry for a model behind an endpoint, which knows it by its signature."""
    return {
        "name": signature,
        "signature": signature,
        "basemodel": signature,
        "openai_base_url": base_url,
        "openai_api_key": KEY_VARIABLE,
        **settings,
    }


def baseline(trader: str, **params: Any) -> dict[str, Any]:
    """A config's entry for a rule-based trader, under its own name."""
    return {"name": trader, "signature": trader, "trader": trader, "params": params}


def write_arena(
    folder: Path,
    models: Sequence[Mapping[str, Any]],
    quotes: Quotes,
    *,
    first: str = OCT_02,
    last: str = "2025-10-31",
    actions: Sequence[str] = (),
    market: Mapping[str, Any] = MappingProxyType({}),
    **agent_config: Any,
) -> None:
    """Write the files of an arena: its config, with retries that hardly wait, its prices and corporate actions.

    An action is the line of its file, such as ``AAPL,2025-10-03,split,2``.
    """
    if actions:
        text = "\n".join(
            ["symbol,ex_date,kind,value,new_symbol", *(_with_all_values(line) for line in actions), ""]
        )
        (folder / "corporate_actions.csv").write_text(text, encoding="utf-8")
        market = {"corporate_actions": "corporate_actions.csv", **market}
    config = {
        "date_range": {"init_date": first, "end_date": last},
        "models": list(models),
        "agent_config": {"base_delay": 0.001, **agent_config},
        "market": {"source": "files", "path": "prices.csv", **market},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = [
        ",".join([symbol, date, *_values(quote)]) for symbol, row in quotes.items() for date, quote in row.items()
    ]
    header = "symbol,date,open,high,low,close,volume"
    (folder / "prices.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")


def open_arena(folder: Path, environ: Mapping[str, str] = ENVIRON) -> Arena:
    """The arena of a folder's files; its records lie beside them."""
    config = ArenaConfig.load(folder / "config.json")
    batch = open_source(config.market.source, config.market.path).read(config.market.calendar)
    if batch.rejected:
        raise ValueError("\n".join(map(str, batch.rejected)))
    dates = config.date_range
    calendar = TradingCalendar(config.market.calendar, dates.init_date, dates.end_date or dates.init_date)
    return Arena(
        config, calendar, PriceHistory(batch.bars), RecordStore(folder / "records"), environ, _actions(config)
    )


def new_arena(
    folder: Path, models: Sequence[Mapping[str, Any]], quotes: Quotes = GOLDEN, **settings: Any
) -> Arena:
    """Write an arena's files and open it."""
    write_arena(folder, models, quotes, **settings)
    return open_arena(folder)


def cells_of(models: str | Iterable[str], days: str | Iterable[str]) -> frozenset[Cell]:
    """Every pair of the models and the days."""
    names = [models] if isinstance(models, str) else list(models)
    dates = [days] if isinstance(days, str) else list(days)
    return frozenset(Cell(day(date), name) for name in names for date in dates)


def run(
    arena: Arena,
    models: str | Iterable[str],
    days: str | Iterable[str],
    *,
    launch: str = "launch-1",
    owed: Iterable[str] = (),
    keep_finished: bool = False,
    **callbacks: Callable[..., None],
) -> Outcome:
    """Run model-days through the chains; the launch owes the days `owed` of the same models as well."""
    order = Order(cells_of(models, days), launch, cells_of(models, owed), keep_finished)
    return run_order(arena, order, **callbacks)


def finished(
    arena: Arena, signature: str, days: str | Iterable[str], launch: str = "launch-1"
) -> list[SessionRecord]:
    """Run one model's days, none of which may fail, and read their records back from the store."""
    outcome = run(arena, signature, days, launch=launch)
    if outcome.failures:
        raise AssertionError("\n".join(map(str, outcome.failures))) from outcome.failures[0].error
    return [stored(arena, signature, date) for date in ([days] if isinstance(days, str) else days)]


def failure(arena: Arena, signature: str, date: str, launch: str = "launch-1") -> Exception:
    """Run one model-day that has to fail, and return why."""
    outcome = run(arena, signature, date, launch=launch)
    if not outcome.failures:
        raise AssertionError(f"{signature} finished {date}")
    return outcome.failures[0].error


def stored(arena: Arena, signature: str, date: str) -> SessionRecord:
    """A record that has to be in the store."""
    record = arena.records.read(signature, day(date))
    if record is None:
        raise AssertionError(f"{signature} has no record of {date}")
    return record


def book_of(record: SessionRecord) -> tuple[Any, Any]:
    """Cash and shares at the end of a session, to be compared with any number that means the same."""
    return record.end.cash, record.end.shares


def assert_whole_chain(arena: Arena, signature: str, days: Sequence[str]) -> list[SessionRecord]:
    """Every day has a record that opened from the one before it, with its very portfolio."""
    chain = [stored(arena, signature, date) for date in days]
    assert arena.records.dates(signature) == [day(date) for date in days]
    assert [record.session_number for record in chain] == list(range(1, len(days) + 1))
    assert (chain[0].opened_from, chain[0].start.shares) == (None, {})
    for before, record in pairwise(chain):
        assert record.opened_from == before.ref
        assert record.start == before.end
    return chain


def _actions(config: ArenaConfig) -> ExDates:
    batch = configured_actions(config.market)
    if batch is None or batch.rejected:
        raise ValueError("\n".join(map(str, batch.rejected)) if batch else "a vendor brings the actions")
    return ExDates.of(batch.actions)


def _with_all_values(line: str) -> str:
    return line + "," * (4 - line.count(","))


def _values(quote: Quote) -> list[str]:
    """Open, high, low, close, volume of a quote; the open alone where there is no close."""
    if isinstance(quote, str):
        return [quote, "", "", "", ""]
    opened, closed = quote
    low, high = sorted(quote, key=Decimal)
    return [opened, high, low, closed, "1000"]
