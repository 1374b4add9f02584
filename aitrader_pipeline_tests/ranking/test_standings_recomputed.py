"""Every standing against a recomputation from the records that shares no code with the SQL."""

import datetime as dt
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.ranking.standings import rebuild_standings
from aitrader_pipeline.ranking.trades import rebuild_trades
from aitrader_pipeline.store.mart import migrate, reading
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena
from aitrader_pipeline_tests.benchmark_data import import_benchmark_books, write_benchmark_config
from aitrader_pipeline_tests.random_ledgers import fill_mart, random_arena
from aitrader_pipeline_tests.series import rows_of
from aitrader_pipeline_tests.trade_oracle import Worked, work_out

pytestmark = pytest.mark.slow

Mart = duckdb.DuckDBPyConnection
Row = dict[str, Any]
CALENDAR = "XNAS"
SEEDS, PORTFOLIOS = range(10), 5
FRAMES: Mapping[str, Callable[[dt.date], object]] = {
    "daily": lambda date: date,
    "weekly": lambda date: date.isocalendar()[:2],
    "monthly": lambda date: (date.year, date.month),
    "all_time": lambda _: None,
}


@dataclass(frozen=True)
class Portfolio:
    """What a portfolio was worth before and at every session, what it held, and the trades it closed."""

    model: str
    kind: str
    before: Mapping[dt.date, float]
    equity: Mapping[dt.date, float]
    cash: Mapping[dt.date, float]
    symbols: Mapping[dt.date, int | None]
    closed: Sequence[tuple[dt.date, float]]

    def snapshot(self, timeframe: str, date: dt.date) -> Row:
        """Its figures over the timeframe that ends with a session."""
        period = FRAMES[timeframe]
        dates = [day for day in sorted(self.equity) if day <= date and period(day) == period(date)]
        start = self.before[dates[0]]
        marks = [start, *(self.equity[day] for day in dates)]
        returns = [b / a - 1 for a, b in pairwise(marks)]
        profits = [pnl for day, pnl in self.closed if day in dates]
        losses = -sum(pnl for pnl in profits if pnl < 0)
        return {
            "model_id": self.model,
            "kind": self.kind,
            "sessions": len(dates),
            "total_return_pct": 100 * (marks[-1] - start) / start,
            "total_return_dollars": marks[-1] - start,
            "current_equity": marks[-1],
            "sharpe_ratio": _sharpe(returns),
            "max_drawdown_pct": max(
                100 * (max(marks[: i + 1]) - mark) / max(marks[: i + 1]) for i, mark in enumerate(marks)
            ),
            "total_trades": len(profits),
            "win_rate": 100 * sum(pnl > 0 for pnl in profits) / len(profits) if profits else None,
            "profit_factor": sum(pnl for pnl in profits if pnl > 0) / losses if losses else None,
            "no_losses": bool(profits) and not losses,
            "open_positions_count": self.symbols[date],
            "total_exposure_pct": 100 * (marks[-1] - self.cash[date]) / marks[-1],
        }


def _sharpe(returns: Sequence[float]) -> float | None:
    if len(returns) < 2 or statistics.stdev(returns) < 1e-12:
        return None
    return statistics.fmean(returns) / statistics.stdev(returns) * math.sqrt(252)


def portfolio_of(model: str, worked: Worked, kind: str) -> Portfolio:
    days = listed(worked.days)
    return Portfolio(
        model,
        kind,
        {day["date"]: day["base"] for day in days},
        {day["date"]: day["closing_equity"] for day in days},
        {day["date"]: float(day["cash"]) for day in days},
        {day["date"]: day["closing_symbols"] for day in days},
        [(trade["exit_date"], float(trade["realized_pnl"])) for trade in listed(worked.trades)],
    )


def listed(frame: pd.DataFrame) -> list[Row]:
    return [dict(zip(frame.columns, values, strict=True)) for values in frame.to_numpy()]


def benchmarks_of(con: Mart) -> Iterator[Portfolio]:
    """The benchmarks as the series has them; they close no trades and are asked for no positions."""
    rows = rows_of(con, "FROM portfolio_timeseries WHERE kind = 'benchmark'")
    for model in {row["model"] for row in rows}:
        own = [row for row in rows if row["model"] == model]
        yield Portfolio(
            model,
            "benchmark",
            {row["date"]: float(row["base_equity"]) for row in own},
            {row["date"]: float(row["portfolio_value"]) for row in own},
            {row["date"]: float(row["cash"]) for row in own},
            {row["date"]: None for row in own},
            (),
        )


def ranked(rows: list[Row]) -> list[Row]:
    """Each with one more than the number of those that are better by return, then Sharpe ratio, then drawdown."""

    def merit(row: Row) -> tuple[float, float, float]:
        sharpe = row["sharpe_ratio"]
        return row["total_return_pct"], -math.inf if sharpe is None else sharpe, -row["max_drawdown_pct"]

    return [{**row, "rank": 1 + sum(merit(other) > merit(row) for other in rows)} for row in rows]


def expected_snapshots(portfolios: Sequence[Portfolio]) -> dict[tuple[str, str, dt.date], Row]:
    """Every snapshot by model, timeframe and session."""
    expected: dict[tuple[str, str, dt.date], Row] = {}
    for timeframe in FRAMES:
        before: dict[str, int] = {}
        for date in sorted({date for portfolio in portfolios for date in portfolio.equity}):
            present = [p.snapshot(timeframe, date) for p in portfolios if date in p.equity]
            for row in ranked(present):
                model = row["model_id"]
                expected[model, timeframe, date] = {**row, "previous_rank": before.get(model)}
                before[model] = row["rank"]
    return expected


def agrees(con: Mart, worked: Mapping[str, Worked]) -> None:
    """Both tables and both views hold what was worked out, row by row, and nothing else."""
    kinds = {row["model"]: row["kind"] for row in rows_of(con, "SELECT DISTINCT model, kind FROM daily_pnl")}
    portfolios = [*(portfolio_of(model, w, kinds[model]) for model, w in worked.items()), *benchmarks_of(con)]
    expected = expected_snapshots(portfolios)
    found = {
        (row["model_id"], row["timeframe"], row["date"]): row for row in floats(con, "FROM leaderboard_snapshots")
    }
    assert found.keys() == expected.keys()
    first, last = min(key[2] for key in expected), max(key[2] for key in expected)
    calendar = TradingCalendar(CALENDAR, first, last)
    for key, row in expected.items():
        assert found[key]["snapshot_time"] == calendar.close_at(key[2]), key
        assert {name: found[key][name] for name in row} == close_to(row), key
    _views_agree(con, expected)
    _current_agree(con, expected)


def _views_agree(con: Mart, expected: Mapping[tuple[str, str, dt.date], Row]) -> None:
    history = rows_of(con, "FROM rank_history")
    assert len(history) == len(expected)
    for row in history:
        now = expected[row["model_id"], row["timeframe"], row["date"]]
        change = None if now["previous_rank"] is None else now["rank"] - now["previous_rank"]
        assert (row["rank"], row["previous_rank"], row["rank_change"]) == (
            now["rank"],
            now["previous_rank"],
            change,
        )
    newest = max(date for _, _, date in expected)
    top = {(row["model_id"], row["timeframe"], row["date"]) for row in rows_of(con, "FROM top_performers")}
    assert top == {key for key, row in expected.items() if key[2] == newest and row["rank"] <= 10}


def _current_agree(con: Mart, expected: Mapping[tuple[str, str, dt.date], Row]) -> None:
    newest: dict[str, dt.date] = {}
    for model, _, date in expected:
        newest[model] = max(date, newest.get(model, date))
    rows = {row["model_id"]: row for row in floats(con, "FROM current_standings")}
    assert rows.keys() == newest.keys()
    for model, date in newest.items():
        row = {n: v for n, v in expected[model, "all_time", date].items() if n not in ("rank", "previous_rank")}
        assert {name: rows[model][name] for name in row} == close_to(row), model


def floats(con: Mart, query: str) -> list[Row]:
    """Rows, their exact amounts as floats."""
    rows = rows_of(con, query)
    return [{name: float(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows]


def close_to(row: Row) -> Row:
    """Equal, or as near as the sixth decimal of money lets it be."""
    inexact = {name for name, value in row.items() if isinstance(value, float)}
    return {
        name: pytest.approx(value, rel=1e-7, abs=2e-6) if name in inexact else value for name, value in row.items()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_standings_of_random_ledgers_are_those_that_are_worked_out_by_hand(seed: int) -> None:
    arena = random_arena(seed, PORTFOLIOS)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        fill_mart(con, arena)
        rebuild_trades(con, calendar=CALENDAR)
        rebuild_standings(con, calendar=CALENDAR, risk_free_rate=0.0)
        worked = work_out(arena.records, arena.bars, arena.actions)
        assert len(worked) == PORTFOLIOS
        agrees(con, worked)


def worked_from(con: Mart, arena: ArenaHome) -> dict[str, Worked]:
    rows = con.execute("SELECT symbol, date, open, close FROM prices WHERE close IS NOT NULL").fetchall()
    bars = {(symbol, date): (opened, closed) for symbol, date, opened, closed in rows}
    return work_out(arena.all_records().values(), bars)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = sample_arena(tmp_path_factory.mktemp("sample"), "2012-10-01", "2012-12-07")
    arena.ok("run")
    return arena


def test_the_standings_of_the_sample_arena_are_those_that_are_worked_out_by_hand(sample: ArenaHome) -> None:
    with reading(sample.mart) as con:
        agrees(con, worked_from(con, sample))


def test_the_decisions_of_the_sample_arena_are_its_records_orders(sample: ArenaHome) -> None:
    rows = sample.rows(
        "SELECT date, model_id, symbol, decision, position_size, executed, action_id, execution_price "
        "FROM decision_log ORDER BY date, model_id, decision_number"
    )
    placed = sum(len(record.fills) + len(record.refusals) for record in sample.all_records().values())
    assert len(rows) == placed > 0
    filled = [
        (record.date, record.model, fill.symbol, fill.type, fill.amount, True, fill.action_id, fill.price)
        for record in sorted(sample.all_records().values(), key=lambda record: (record.date, record.model))
        for fill in record.fills
    ]
    assert [row for row in rows if row[5]] == filled


def test_the_compared_decisions_of_the_sample_arena_are_all_pairs_of_a_session(sample: ArenaHome) -> None:
    decided = sample.rows("SELECT symbol, timestamp, model_id, decision_number FROM decision_log")
    pairs = {
        (symbol, at, first, number, second, other)
        for symbol, at, first, number in decided
        for symbol_2, at_2, second, other in decided
        if symbol == symbol_2 and first < second and abs(at - at_2) <= dt.timedelta(minutes=5)
    }
    found = sample.rows(
        "SELECT symbol, timestamp, model_1_id, model_1_decision_number, model_2_id, model_2_decision_number "
        "FROM decision_comparison"
    )
    assert set(found) == pairs
    assert len(found) == len(pairs) > 0


def test_the_standings_of_the_benchmark_s_own_books_are_those_that_are_worked_out_by_hand(tmp_path: Path) -> None:
    arena = import_benchmark_books(write_benchmark_config(tmp_path))
    with reading(arena.mart) as con:
        worked = worked_from(con, arena)
        assert len(worked) == 3
        agrees(con, worked)
        now = {
            row["model_id"]: round(row["total_return_pct"], 2) for row in rows_of(con, "FROM current_standings")
        }
        [(decided,)] = con.execute("SELECT count(*) FROM decision_log WHERE executed").fetchall()
    assert decided == sum(len(record.fills) for record in arena.all_records().values()) > 0
    published = {"deepseek-chat-v3.1": 13.89, "gpt-5": 7.11, "qwen3-max": 3.44, "QQQ": 3.78}
    assert {model: now[model] for model in published} == published
