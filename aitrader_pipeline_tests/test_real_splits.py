"""Real splits and dividends through a whole arena: AAPL and MSFT against the adjusted closes of their source.

The source scales what is before an ex-date by close / (close + dividend), taken on the ex-date, and by the split:
a portfolio that reinvests each dividend at that close grows as its adjusted close does.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from aitrader_pipeline.market.actions_table import save_actions
from aitrader_pipeline.market.prices import save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.sources.actions_csv import configured_actions
from aitrader_pipeline.performance.books import write_books
from aitrader_pipeline.performance.identities import IDENTITIES, violations
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import baseline, day, finished, new_arena

stocks = pytest.importorskip(
    "bokeh_sampledata.stocks", reason="the development dependency bokeh-sampledata is not installed"
)
HOLD = "buy_and_hold"
BASIS_POINT = 1e-4
CASH = 1_000_000


class Bar(NamedTuple):
    """One bar as the source has it; `adjusted` is its adjusted close."""

    date: str
    open: float
    close: float
    adjusted: float


def bars_of(symbol: str, first: str, last: str) -> list[Bar]:
    data = getattr(stocks, symbol)
    rows = zip(data["date"], data["open"], data["close"], data["adj_close"], strict=True)
    return [Bar(*row) for row in rows if first <= row[0] <= last]


def actions_of(symbol: str, bars: Sequence[Bar]) -> Iterator[str]:
    """What the steps of the adjusted closes tell of; a step of a half or more is a split."""
    for before, bar in pairwise(bars):
        step = (bar.adjusted / bar.close) / (before.adjusted / before.close)
        if step > 1.5:
            yield f"{symbol},{bar.date},split,{step:.6f}"
        elif step > 1.001:
            yield f"{symbol},{bar.date},dividend,{bar.close * (step - 1):.2f}"


def files_of(symbol: str, bars: Sequence[Bar], trader: Mapping[str, Any]) -> dict[str, Any]:
    """What an arena of one company over these days is written from."""
    return {
        "models": [trader],
        "quotes": {symbol: {bar.date: (str(bar.open), str(bar.close)) for bar in bars}},
        "first": bars[0].date,
        "last": bars[-1].date,
        "actions": list(actions_of(symbol, bars)),
        "initial_cash": CASH,
    }


def traded(folder: Path, symbol: str, first: str, last: str, **market: Any) -> ArenaHome:
    """An arena, run by the command line."""
    arena = priced_arena(folder, **files_of(symbol, bars_of(symbol, first, last), baseline(HOLD)), market=market)
    arena.ok("run")
    return arena


def booked(folder: Path, symbol: str, bars: Sequence[Bar], trader: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Date, cash and closing equity of each day of a portfolio, from its records and the books."""
    arena = new_arena(folder, **files_of(symbol, bars, trader))
    records = finished(arena, trader["signature"], [bar.date for bar in bars])
    market = arena.config.market
    actions = configured_actions(market)
    assert actions is not None
    with duckdb.connect() as con:
        migrate(con)
        now = dt.datetime.now(dt.UTC)
        save_prices(con, open_source(market.source, market.path).read(market.calendar), now)
        save_actions(con, actions, now, is_whole=True)
        write_books(con, records)
        assert [violations(con, identity) for identity in IDENTITIES] == [[]] * len(IDENTITIES)
        return con.execute("SELECT date, cash, closing_equity FROM daily_pnl ORDER BY date").fetchall()


def equity_of(arena: ArenaHome) -> dict[str, tuple[Decimal, Decimal]]:
    """Opening and closing equity by date."""
    query = "SELECT date, opening_equity, closing_equity FROM daily_pnl ORDER BY date"
    return {str(date): (opening, closing) for date, opening, closing in arena.rows(query)}


def shares_of(arena: ArenaHome, date: str) -> tuple[Decimal, int]:
    record = arena.records.read(HOLD, day(date))
    assert record is not None
    return record.end.cash, sum(record.end.shares.values())


@pytest.mark.parametrize(
    ("symbol", "first", "before", "ex_date", "last"),
    [
        ("AAPL", "2005-02-22", "2005-02-25", "2005-02-28", "2005-03-04"),
        ("MSFT", "2003-02-10", "2003-02-14", "2003-02-18", "2003-02-21"),
    ],
)
def test_a_two_for_one_split_goes_through_a_held_position_to_the_cent(
    tmp_path: Path, symbol: str, first: str, before: str, ex_date: str, last: str
) -> None:
    arena = traded(tmp_path, symbol, first, last)
    bars = {bar.date: bar for bar in bars_of(symbol, first, last)}
    (cash, shares), equity = shares_of(arena, before), equity_of(arena)
    assert shares_of(arena, ex_date) == (cash, 2 * shares)
    assert equity[before][1] == cash + shares * Decimal(str(bars[before].close))
    opening, closing = equity[ex_date]
    assert opening == cash + 2 * shares * Decimal(str(bars[ex_date].open))
    # On one basis the day before's close is half of what it was, and nothing is gained or lost.
    assert cash + 2 * shares * Decimal(str(bars[before].close)) / 2 == equity[before][1]
    grown = float((closing - cash) / (equity[before][1] - cash))
    assert grown == pytest.approx(bars[ex_date].adjusted / bars[before].adjusted, abs=1e-9)


@pytest.mark.parametrize(
    ("symbol", "first", "last", "splits", "dividends"),
    [
        ("MSFT", "2003-02-10", "2004-12-31", 1, 4),
        ("AAPL", "2012-08-01", "2013-03-01", 0, 3),
        ("AAPL", "2005-02-22", "2005-03-04", 1, 0),
    ],
)
def test_what_is_bought_and_held_returns_in_total_what_the_adjusted_closes_say(
    tmp_path: Path, symbol: str, first: str, last: str, splits: int, dividends: int
) -> None:
    bars = bars_of(symbol, first, last)
    kinds = [line.split(",")[2] for line in actions_of(symbol, bars)]
    assert (kinds.count("split"), kinds.count("dividend")) == (splits, dividends)
    daily = booked(tmp_path, symbol, bars, baseline(HOLD))
    # Each day's growth of the shares, with what was paid on them that day.
    growth = [
        (equity - cash_before) / (equity_before - cash_before)
        for (_, cash_before, equity_before), (_, _, equity) in pairwise(daily)
    ]
    assert float(prod(growth)) == pytest.approx(bars[-1].adjusted / bars[0].adjusted, rel=BASIS_POINT)
    assert [float(step) for step in growth] == pytest.approx(
        [bar.adjusted / before.adjusted for before, bar in pairwise(bars)], rel=BASIS_POINT
    )


def test_a_portfolio_that_really_reinvests_returns_the_same(tmp_path: Path) -> None:
    bars = bars_of("IBM", "2012-07-02", "2013-03-01")
    daily = booked(tmp_path, "IBM", bars, baseline("equal_weight", rebalance_sessions=1))
    returned = float(daily[-1][2] / daily[0][2])
    assert returned == pytest.approx(bars[-1].adjusted / bars[0].adjusted, rel=BASIS_POINT)


def test_prices_that_are_adjusted_for_splits_split_nothing_and_pay_dividends(tmp_path: Path) -> None:
    arena = traded(tmp_path, "MSFT", "2003-02-10", "2003-02-21", adjusted=True)
    assert [shares_of(arena, date)[1] for date in ("2003-02-14", "2003-02-18")] == [
        shares_of(arena, "2003-02-10")[1]
    ] * 2
    assert arena.rows("SELECT DISTINCT kind FROM corporate_actions") == [("dividend",)]
    assert arena.rows(
        "SELECT action_type, date::VARCHAR FROM positions WHERE action_type NOT IN ('no_trade', 'buy')"
    ) == [("dividend", "2003-02-19")]
