"""A mart of any size for the benchmark of the ranking: books that balance, made without running a session."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from aitrader_pipeline.market.calendar import DEFAULT_CALENDAR, TradingCalendar
from aitrader_pipeline.store.mart import migrate

INITIAL_CASH = Decimal(10_000_000)
_LAST = dt.date(2025, 10, 31)
_MOST_HELD = 6
_MOST_BOUGHT = 50

Ints = npt.NDArray[np.int64]

_PRICES = """
INSERT INTO prices BY NAME
SELECT symbol, date::DATE AS date, open, greatest(open, close) AS high, least(open, close) AS low, close,
    1000 AS volume, 'benchmark' AS source, TIMESTAMPTZ '2025-11-01 00:00:00+00' AS fetched_at
FROM price_rows
"""
# The large tables go without their unique indexes, which no question that is asked of them uses.
_POSITIONS = """
CREATE OR REPLACE TABLE positions AS
FROM positions UNION ALL BY NAME
SELECT 'benchmark' AS job_id, date::DATE AS date, model, action_id::INTEGER AS action_id, action_type, symbol,
    amount::BIGINT AS amount, price, 0 AS costs, cast($initial_cash AS DECIMAL(18, 6)) - coalesce(sum(
        CASE action_type WHEN 'buy' THEN price * amount WHEN 'sell' THEN -price * amount END
    ) OVER (PARTITION BY model ORDER BY date, action_id), 0)::DECIMAL(18, 6) AS cash,
    0 AS portfolio_value, date + INTERVAL 22 HOURS AS created_at
FROM action_rows
LEFT JOIN (SELECT symbol, date, open AS price FROM prices) USING (symbol, date)
ORDER BY date, model, action_id
"""
_HOLDINGS = """
CREATE OR REPLACE TABLE holdings AS
FROM holdings UNION ALL BY NAME
SELECT date::DATE AS date, model, action_id::INTEGER AS action_id, symbol, quantity
FROM holding_rows
ORDER BY date, model, action_id
"""
_DECISIONS = """
CREATE OR REPLACE TABLE decision_log AS
FROM decision_log UNION ALL BY NAME
SELECT job_id, date, model AS model_id, action_id AS decision_number, symbol, action_type AS decision,
    'I expect ' || symbol || ' to move.' AS reasoning, hash(model, date, action_id) % 101 AS confidence,
    date + INTERVAL 13 HOURS AS timestamp, created_at AS decided_at, price AS current_price,
    amount AS position_size,
    'long' AS direction, true AS executed, price AS execution_price, timestamp AS execution_time,
    'filled' AS execution_status, action_id
FROM positions
WHERE action_id > 0
ORDER BY date, model, action_id
"""
# One in ten trades at random, one in four is a replica; of all it is known up to when they were trained.
_COMPETITORS = """
INSERT INTO competitors BY NAME
SELECT model, CASE WHEN number % 4 = 1 THEN 'replicated-' || number // 20 END AS replica_of,
    CASE WHEN number % 10 = 0 THEN 'random' ELSE 'openai' END AS trader, DATE '2025-03-31' AS training_cutoff
FROM (SELECT model, (row_number() OVER (ORDER BY model))::INTEGER AS number FROM daily_pnl GROUP BY model)
"""
_DAILY_PNL = """
INSERT INTO daily_pnl BY NAME
WITH ends AS (
    SELECT model, date, max(action_id) AS last, min_by(cash, action_id) AS start_cash,
        max_by(cash, action_id) AS cash, count(*) - 1 AS trades
    FROM positions
    GROUP BY ALL
),
held AS (
    SELECT h.model, h.date, sum(quantity * open) FILTER (action_id = 0) AS opening,
        sum(quantity * close) FILTER (action_id = last) AS closing
    FROM holdings AS h
    JOIN ends USING (model, date)
    JOIN prices USING (symbol, date)
    WHERE action_id IN (0, last)
    GROUP BY ALL
),
worth AS (
    SELECT ends.*, start_cash + coalesce(opening, 0) AS opening_equity,
        ends.cash + coalesce(closing, 0) AS closing_equity
    FROM ends LEFT JOIN held USING (model, date)
),
based AS (
    SELECT *, lag(closing_equity, 1, cast($initial_cash AS DECIMAL(18, 6))) OVER chain AS base,
        coalesce(date - lag(date) OVER chain, 0) AS days_since_last_session
    FROM worth
    WINDOW chain AS (PARTITION BY model ORDER BY date)
)
SELECT date, model, 'model' AS kind, 'session' AS source, $initial_cash AS initial_cash, opening_equity,
    closing_equity, closing_equity - base AS daily_profit,
    100 * (closing_equity - base)::DOUBLE / base::DOUBLE AS daily_return_pct,
    closing_equity - $initial_cash AS cumulative_profit,
    100 * (closing_equity - $initial_cash)::DOUBLE / $initial_cash::DOUBLE AS cumulative_return_pct,
    cash, trades, 0 AS costs, days_since_last_session, 0 AS carried_symbols
FROM based
"""


@dataclass(frozen=True)
class Size:
    """How much there is: of every model and session one row for the start and one per fill."""

    models: int = 200
    sessions: int = 252
    fills: int = 19
    symbols: int = 100

    @property
    def positions(self) -> int:
        """Rows of `positions`."""
        return self.models * self.sessions * (self.fills + 1)


def write_mart(path: Path, size: Size) -> None:
    """Make the mart of a size: prices, positions, holdings, decisions, daily P&L."""
    dates = _sessions(size.sessions + 1)
    rng = np.random.default_rng(6)
    price_rows = _prices(rng, dates, size.symbols)
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        migrate(con)
        con.register("price_rows", price_rows)
        con.execute(_PRICES)
        action_rows, holding_rows = _traded(rng, size, dates[1:])
        con.register("action_rows", action_rows)
        con.register("holding_rows", holding_rows)
        con.execute(_POSITIONS, {"initial_cash": INITIAL_CASH})
        con.execute(_HOLDINGS)
        con.execute(_DECISIONS)
        con.execute(_DAILY_PNL, {"initial_cash": INITIAL_CASH})
        con.execute(_COMPETITORS)
        con.execute("CHECKPOINT")


def _sessions(count: int) -> list[dt.date]:
    """So many sessions of the exchange, up to the last one."""
    first = _LAST - dt.timedelta(days=count * 2)
    return TradingCalendar(DEFAULT_CALENDAR, first, _LAST).sessions(first, _LAST)[-count:]


def _prices(rng: np.random.Generator, dates: list[dt.date], symbols: int) -> pd.DataFrame:
    """Bars whose opens and closes walk at random."""
    steps = rng.normal(0.0002, 0.012, (2 * len(dates), symbols)).cumsum(axis=0)
    marks = np.maximum(np.round(100 * np.exp(steps), 2), 0.01)
    opens, closes = marks[::2], marks[1::2]
    names = _names("S", symbols)
    return pd.DataFrame(
        {
            "symbol": np.tile(names, len(dates)),
            "date": np.repeat(np.array(dates, dtype="datetime64[s]"), symbols),
            "open": opens.ravel(),
            "close": closes.ravel(),
        }
    )


def _traded(rng: np.random.Generator, size: Size, dates: list[dt.date]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the models do, fill by fill, and what each holds after every action.

    A model holds up to six symbols: it buys another one, or more of one, or sells some or all of one.
    """
    held = np.zeros((size.models, size.symbols), dtype=np.int64)
    actions, holdings = [], []
    for session in range(size.sessions):
        holdings.append(_held(held, session, 0))
        for action_id in range(1, size.fills + 1):
            symbol, amount = _orders(rng, held)
            held[np.arange(size.models), symbol] += amount
            actions.append((np.full(size.models, session), np.full(size.models, action_id), symbol, amount))
            holdings.append(_held(held, session, action_id))
    days, names, models = (
        np.array(dates, dtype="datetime64[s]"),
        _names("S", size.symbols),
        _names("m", size.models),
    )
    on, number, symbol, amount = (np.concatenate(column) for column in zip(*actions, strict=True))
    fills = pd.DataFrame(
        {
            "date": days[on],
            "model": np.tile(models, len(actions)),
            "action_id": number,
            "action_type": np.where(amount > 0, "buy", "sell"),
            "symbol": names[symbol],
            "amount": np.abs(amount),
        }
    )
    starts = pd.DataFrame({"date": np.repeat(days, size.models), "model": np.tile(models, len(days))})
    starts = starts.assign(action_id=0, action_type="no_trade")
    on, number, model, symbol, quantity = (np.concatenate(column) for column in zip(*holdings, strict=True))
    kept = pd.DataFrame(
        {
            "date": days[on],
            "model": models[model],
            "action_id": number,
            "symbol": names[symbol],
            "quantity": quantity,
        }
    )
    return pd.concat([fills, starts]), kept


def _orders(rng: np.random.Generator, held: Ints) -> tuple[Ints, Ints]:
    """For every model a symbol and the shares that it buys, or sells where they are below zero."""
    owns = held > 0
    draw = rng.random(held.shape)
    full = owns.sum(axis=1) >= _MOST_HELD
    # Of what it holds where there is no room for more, or by the toss of a coin.
    among_held = owns.any(axis=1) & (full | (rng.random(len(held)) < 0.5))
    symbol = np.where(among_held[:, None] & ~owns, -1.0, draw).argmax(axis=1)
    has = held[np.arange(len(held)), symbol]
    sells = (has > 0) & (rng.random(len(held)) < 0.6)
    sold = np.where(rng.random(len(held)) < 0.5, has, (has + 1) // 2)
    return symbol, np.where(sells, -sold, rng.integers(1, _MOST_BOUGHT + 1, len(held)))


def _held(held: Ints, session: int, action_id: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    model, symbol = np.nonzero(held)
    rows = len(model)
    return np.full(rows, session), np.full(rows, action_id), model, symbol, held[model, symbol]


def _names(letter: str, count: int) -> npt.NDArray[np.object_]:
    return np.array([f"{letter}{number:03}" for number in range(count)], dtype=object)
