"""A poisoned future changes no byte of any session; a poisoned past does."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.config import PROJECT_ROOT, ArenaConfig
from aitrader_pipeline.market.bars import Bar
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Order, run_order
from aitrader_pipeline_tests.markets import GOLDEN_DAYS, day, model, new_arena
from aitrader_pipeline_tests.openai_server import (
    Answer,
    OpenAIServer,
    Received,
    buy,
    call,
    finishes,
    says,
    sell,
)

M = "model-a"
FACTOR = 1000
# Long enough for every baseline to trade on prices of the past, and for the second rebalancing.
FIRST, LAST = date(2012, 10, 1), date(2012, 11, 2)


def times(price: Decimal | None) -> Decimal | None:
    return None if price is None else price * FACTOR


def poisoned(bars: Iterable[Bar], cut_off: date, *, opens_too: bool = False) -> PriceHistory:
    """Every value from the open of the cut-off on multiplied; the opens of that day only if asked."""
    history = []
    for bar in bars:
        if bar.date < cut_off:
            history.append(bar)
            continue
        kept_open = bar.date == cut_off and not opens_too
        history.append(
            replace(
                bar,
                open=bar.open if kept_open else bar.open * FACTOR,
                high=times(bar.high),
                low=times(bar.low),
                close=times(bar.close),
                volume=None if bar.volume is None else bar.volume * FACTOR,
            )
        )
    return PriceHistory(history)


def essences(arena: Arena, dates: Iterable[date]) -> Mapping[Cell, bytes]:
    """Run all models on the dates and read what they did from the store."""
    cells = frozenset(Cell(date, entry.signature) for date in dates for entry in arena.config.enabled_models)
    outcome = run_order(arena, Order(cells, launch="launch-1"))
    assert outcome.failures == []
    assert set(outcome.done) == cells
    records = (arena.records.read(cell.model, cell.date) for cell in cells)
    return {Cell(record.date, record.model): record.essence() for record in records if record}


def bars_of(config: ArenaConfig) -> tuple[Bar, ...]:
    return open_source(config.market.source, config.market.path).read(config.market.calendar).bars


@pytest.fixture(scope="module")
def sample() -> tuple[ArenaConfig, TradingCalendar, tuple[Bar, ...]]:
    config = ArenaConfig.load(PROJECT_ROOT / "configs" / "default_config.json")
    assert config.market.source == "sample"
    return config, TradingCalendar(config.market.calendar, FIRST, LAST), bars_of(config)


def test_a_poisoned_future_changes_no_byte_of_any_baseline_s_record(
    tmp_path: Path, sample: tuple[ArenaConfig, TradingCalendar, tuple[Bar, ...]]
) -> None:
    config, calendar, bars = sample
    dates = calendar.sessions(FIRST, LAST)
    clean = essences(Arena(config, calendar, PriceHistory(bars), RecordStore(tmp_path / "clean")), dates)
    assert len(clean) == 6 * len(dates)
    store = RecordStore(tmp_path / "poisoned")
    for session in dates:
        arena = Arena(config, calendar, poisoned(bars, session), store)
        for cell, essence in essences(arena, [session]).items():
            assert essence == clean[cell], str(cell)
    traded = {name for name in store.models() for d in dates if (r := store.read(name, d)) and r.actions}
    assert traded == set(store.models()) - {"cash"}


@pytest.mark.parametrize("opens_too", [False, True], ids=["the bar of the day before", "today's open"])
def test_the_poison_is_found_in_every_record_when_it_reaches_what_can_be_known(
    tmp_path: Path, sample: tuple[ArenaConfig, TradingCalendar, tuple[Bar, ...]], opens_too: bool
) -> None:
    config, calendar, bars = sample
    session = date(2012, 10, 9)
    before = calendar.previous_session(session)
    dates = calendar.sessions(FIRST, before)
    cut_off = session if opens_too else before
    found: list[Mapping[Cell, bytes]] = []
    for name, history in [("clean", PriceHistory(bars)), ("bad", poisoned(bars, cut_off, opens_too=opens_too))]:
        store = RecordStore(tmp_path / name)
        essences(Arena(config, calendar, PriceHistory(bars), store), dates)
        found.append(essences(Arena(config, calendar, history, store), [session]))
    clean, bad = found
    assert len(clean) == 6
    assert [cell for cell in clean if clean[cell] == bad[cell]] == []


# --- a model that asks for everything ---


def curious(request: Received) -> Answer:
    """Asks for every bar there is, then trades by what it was told."""
    if len(request.messages) == 2:
        symbols = ("AAPL", "MSFT", "NVDA")
        return says("", *[call("get_price_local", symbol=s, date=d) for s in symbols for d in GOLDEN_DAYS])
    if request.messages[-1]["content"].startswith('{"filled"'):
        return finishes()
    known = [result["open"] for result in request.results() if "open" in result]
    return says("", sell("AAPL", 1), buy("AAPL", 1 + len(known)), buy("NVDA", int(sum(known)) % 7 + 1))


def test_a_poisoned_future_changes_no_byte_of_a_model_s_record(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.respond(M, curious)
    clean_arena = new_arena(tmp_path, [model(M, endpoint.base_url)])
    dates = [day(text) for text in GOLDEN_DAYS]
    clean = essences(clean_arena, dates)
    store = RecordStore(tmp_path / "poisoned")
    bars = bars_of(clean_arena.config)
    for session in dates:
        arena = replace(clean_arena, history=poisoned(bars, session), records=store, _views=OrderedDict())
        for cell, essence in essences(arena, [session]).items():
            assert essence == clean[cell], str(cell)
    assert all(len(record.actions) >= 2 for d in dates if (record := store.read(M, d)))
