"""The tables of trades and summaries against a recomputation from the records, without the SQL."""

import datetime as dt
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.performance.identities import violations
from aitrader_pipeline.ranking.trades import rebuild_summaries, rebuild_trades
from aitrader_pipeline.ranking.trades_asset import TRADE_IDENTITIES
from aitrader_pipeline.store.mart import migrate, reading
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena
from aitrader_pipeline_tests.benchmark_data import import_benchmark_books, write_benchmark_config
from aitrader_pipeline_tests.random_ledgers import fill_mart, random_arena
from aitrader_pipeline_tests.series import rows_of
from aitrader_pipeline_tests.trade_oracle import Worked, summed_up, work_out

pytestmark = pytest.mark.slow

Mart = duckdb.DuckDBPyConnection
SEEDS, PORTFOLIOS = range(10), 5
CALENDAR = "XNAS"


def close_to(expected: Any) -> Any:
    """Equal, or as near as the sixth decimal of a price that a split has cut lets it be."""
    if isinstance(expected, dict):
        return {name: close_to(value) for name, value in expected.items()}
    if expected is None or isinstance(expected, str | bool | dt.date):
        return expected
    return pytest.approx(float(expected), rel=1e-9, abs=2e-6)


def floats(con: Mart, query: str, model: str) -> list[dict[str, Any]]:
    """A model's rows, their exact amounts as floats."""
    rows = rows_of(con, query, {"model": model})
    return [{name: float(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows]


def agrees(con: Mart, worked: dict[str, Worked]) -> None:
    """All tables hold what was worked out, row by row, and nothing else."""
    assert {row["model_id"] for row in rows_of(con, "FROM daily_summaries")} == worked.keys()
    for model, portfolio in worked.items():
        _trades_agree(con, model, portfolio.trades)
        _open_lots_agree(con, model, portfolio.open_lots)
        _days_agree(con, model, portfolio.days)
        _marks_agree(con, model, portfolio.days)
        curve = portfolio.days[["date", "base", "closing_equity"]]
        _periods_agree(con, model, curve, portfolio.trades)
    for model in [row["model"] for row in rows_of(con, "SELECT DISTINCT model FROM portfolio_timeseries")]:
        if model not in worked:
            query = "SELECT date, base_equity::DOUBLE AS base, portfolio_value::DOUBLE AS closing_equity FROM "
            curve = pd.DataFrame(
                rows_of(con, query + "portfolio_timeseries WHERE model = $model ORDER BY date", {"model": model})
            )
            _periods_agree(con, model, curve, pd.DataFrame())


def _trades_agree(con: Mart, model: str, expected: pd.DataFrame) -> None:
    order = "exit_date, exit_action_id, entry_date, entry_action_id"
    rows = floats(con, f"FROM trade_log WHERE model_id = $model ORDER BY {order}", model)
    wanted = expected.sort_values(order.split(", ")).to_dict("records") if len(expected) else []
    assert [{name: row[str(name)] for name in trade} for row, trade in zip(rows, wanted, strict=True)] == [
        close_to(trade) for trade in wanted
    ]
    for row, trade in zip(rows, wanted, strict=True):
        assert (row["direction"], row["strategy"]) == ("long", None)
        assert row["exit_reason"] == ("manual" if trade["exit_action"] == "sell" else None)
        percent = 100 * (trade["exit_price"] - trade["entry_price"]) / trade["entry_price"]
        assert row["realized_pnl_pct"] == pytest.approx(float(percent), rel=1e-7, abs=1e-9)
        assert (row["entry_time"], row["exit_time"]) == (_open(row["entry_date"]), _open(row["exit_date"]))


def _open_lots_agree(con: Mart, model: str, expected: pd.DataFrame) -> None:
    order = "symbol, entry_date, entry_action_id"
    rows = floats(con, f"FROM open_lots WHERE model_id = $model ORDER BY {order}", model)
    wanted = expected.sort_values(order.split(", ")).to_dict("records") if len(expected) else []
    assert [{name: row[str(name)] for name in lot} for row, lot in zip(rows, wanted, strict=True)] == [
        close_to(lot) for lot in wanted
    ]


def _days_agree(con: Mart, model: str, days: pd.DataFrame) -> None:
    rows = floats(con, "FROM daily_summaries WHERE model_id = $model ORDER BY date", model)
    assert rows == [
        {
            "model_id": model,
            "date": day["date"],
            "opening_equity": close_to(day["opening_equity"]),
            "closing_equity": close_to(day["closing_equity"]),
            "high_equity": close_to(max(day["opening_equity"], day["closing_equity"])),
            "low_equity": close_to(min(day["opening_equity"], day["closing_equity"])),
            "daily_pnl": close_to(day["pnl"]),
            "daily_return_pct": close_to(100 * day["growth"]),
            "trades_opened": day["opened"],
            "trades_closed": day["closed"],
            "max_drawdown_pct": close_to(day["drawdown"]),
            "sharpe_ratio": None if math.isnan(day["sharpe"]) else close_to(day["sharpe"]),
        }
        for day in days.to_dict("records")
    ]


def _marks_agree(con: Mart, model: str, days: pd.DataFrame) -> None:
    rows = floats(con, "FROM hourly_snapshots WHERE model_id = $model ORDER BY timestamp", model)
    marks = [
        mark
        for day in days.to_dict("records")
        for mark in (
            (_open(day["date"]), "open", day["opening_cash"], day["opening_value"], day["opening_symbols"]),
            (_close(day["date"]), "close", day["cash"], day["closing_value"], day["closing_symbols"]),
        )
    ]
    assert [(row["timestamp"], row["mark"]) for row in rows] == [mark[:2] for mark in marks]
    for row, (_, _, cash, value, symbols) in zip(rows, marks, strict=True):
        assert row["positions_count"] == symbols
        assert (row["cash"], row["positions_value"]) == (close_to(cash), close_to(value))
        assert row["equity"] == close_to(cash + value)


def _periods_agree(con: Mart, model: str, curve: pd.DataFrame, trades: pd.DataFrame) -> None:
    for table, frequency in (("weekly_summaries", "W-SUN"), ("monthly_summaries", "M")):
        rows = floats(con, f"FROM {table} WHERE model_id = $model ORDER BY period_start", model)
        wanted = summed_up(curve, trades, frequency)
        assert [{name: row[name] for name in period} for row, period in zip(rows, wanted, strict=True)] == [
            close_to(period) for period in wanted
        ]


def _open(date: dt.date) -> dt.datetime:
    return _calendar().open_at(date)


def _close(date: dt.date) -> dt.datetime:
    return _calendar().close_at(date)


@cache
def _calendar() -> TradingCalendar:
    return TradingCalendar(CALENDAR, dt.date(2012, 1, 1), dt.date(2025, 12, 31))


def adds_up(con: Mart, worked: dict[str, Worked]) -> None:
    """Realized + unrealized = closing equity - initial cash + costs - dividends, to the cent, for each."""
    for model, portfolio in worked.items():
        query = (
            "SELECT (SELECT coalesce(sum(realized_pnl), 0) FROM trade_log WHERE model_id = $model) "
            "+ (SELECT coalesce(sum(unrealized_pnl), 0) FROM open_lots WHERE model_id = $model) AS profit, "
            "(SELECT max_by(cumulative_profit, date) FROM portfolio_timeseries WHERE model = $model) AS grown"
        )
        [row] = rows_of(con, query, {"model": model})
        paid = sum(portfolio.days["costs"]) - sum(portfolio.days["dividends"])
        assert round(row["profit"] - row["grown"] - paid, 2) == 0, model
    assert [violations(con, identity) for identity in TRADE_IDENTITIES] == [[], []]


@contextmanager
def random_mart(seed: int) -> Iterator[tuple[Mart, dict[str, Worked]]]:
    arena = random_arena(seed, PORTFOLIOS)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        fill_mart(con, arena)
        rebuild_trades(con, calendar=CALENDAR)
        rebuild_summaries(con, calendar=CALENDAR, risk_free_rate=0.0)
        yield con, work_out(arena.records, arena.bars, arena.actions)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tables_of_random_ledgers_are_those_that_are_worked_out_by_hand(seed: int) -> None:
    with random_mart(seed) as (con, worked):
        assert len(worked) == PORTFOLIOS
        agrees(con, worked)
        adds_up(con, worked)


def test_the_random_ledgers_go_through_every_kind_of_action() -> None:
    kinds = {
        action.type
        for seed in SEEDS
        for record in random_arena(seed, PORTFOLIOS).records
        for action in record.actions
    }
    assert kinds == {"buy", "sell", "split", "dividend", "symbol_change", "delisting"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = sample_arena(tmp_path_factory.mktemp("sample"), "2012-10-01", "2012-11-09")
    arena.ok("run")
    return arena


def test_the_tables_of_the_sample_arena_are_those_that_are_worked_out_by_hand(sample: ArenaHome) -> None:
    with reading(sample.mart) as con:
        worked = work_out(sample.all_records().values(), bars_of(con))
        agrees(con, worked)
        adds_up(con, worked)


def test_the_tables_of_the_benchmark_s_own_books_are_those_that_are_worked_out_by_hand(tmp_path: Path) -> None:
    arena = import_benchmark_books(write_benchmark_config(tmp_path))
    with reading(arena.mart) as con:
        worked = work_out(arena.all_records().values(), bars_of(con))
        assert len(worked) == 3
        agrees(con, worked)
        adds_up(con, worked)


def bars_of(con: Mart) -> dict[tuple[str, dt.date], Any]:
    rows: Iterable[tuple[Any, ...]] = con.execute("SELECT symbol, date, open, close FROM prices").fetchall()
    return {(symbol, date): (opened, closed) for symbol, date, opened, closed in rows if closed is not None}
