"""Metrics of any model over any range: the figures, why one is undefined, and what the command prints."""

import csv
import io
import math
import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import empyrical
import numpy as np
import pytest

from aitrader_pipeline.errors import NoDataError
from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.results.metrics import get_metrics
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena
from aitrader_pipeline_tests.series import (
    FIRST_SESSION,
    Money,
    Row,
    add_daily_pnl,
    build_timeseries,
    open_mart,
    rows_of,
    usd,
)

Mart = duckdb.DuckDBPyConnection
OF_TRADES = ("win_rate", "profit_factor", "best_trade", "worst_trade", "average_holding_days")
UNDEFINED_TRADES = dict.fromkeys(OF_TRADES, "no closed trades")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "arena.duckdb"


def close_trades(mart: Mart, model: str, profits: Sequence[Money], exit_date: date = FIRST_SESSION) -> None:
    """Trades closed on a session, each held for four days."""
    for profit in profits:
        mart.execute(
            "INSERT INTO trade_log BY NAME SELECT $model AS model_id, 'AAPL' AS symbol, 'long' AS direction, "
            "100 AS entry_price, $entry::TIMESTAMPTZ AS entry_time, 1 AS shares, 100 AS exit_price, "
            "$exit::TIMESTAMPTZ AS exit_time, $profit AS realized_pnl, 0 AS realized_pnl_pct, "
            "now() AS created_at, $entry AS entry_date, 1 AS entry_action_id, $exit AS exit_date, "
            "2 AS exit_action_id, 'sell' AS exit_action",
            {"model": model, "entry": exit_date - timedelta(days=4), "exit": exit_date, "profit": usd(profit)},
        )


def measured(
    path: Path, equity: Sequence[Money], trades: Sequence[Money] = (), risk_free_rate: float = 0.0
) -> Row:
    """The metrics of one model on this curve."""
    with open_mart(path) as mart:
        add_daily_pnl(mart, "m", equity, cash=[0] * (len(equity) - 1))
        build_timeseries(mart)
        close_trades(mart, "m", trades)
    answer = get_metrics(path, ["m"], risk_free_rate=risk_free_rate)
    (row,) = answer["metrics"]
    return dict(row)


# --- the figures ---


def test_the_golden_trades_have_their_win_rate_and_profit_factor(path: Path) -> None:
    row = measured(path, [1000, 1100, 1200], [300, 100, -100])
    assert row["win_rate"] == pytest.approx(66.667, abs=5e-4)
    assert (row["profit_factor"], row["no_losses"], row["closed_trades"]) == (4.0, False, 3)
    assert (row["best_trade"], row["worst_trade"], row["average_holding_days"]) == (300, -100, 4)


def test_a_trade_at_its_entry_price_is_not_won_and_not_lost(path: Path) -> None:
    row = measured(path, [1000, 1100], [0, 50])
    assert (row["win_rate"], row["profit_factor"], row["no_losses"]) == (50, None, True)
    assert row["undefined"]["profit_factor"] == "no losses"


@pytest.mark.parametrize("seed", range(10))
def test_random_curves_and_trades_agree_with_empyrical_and_with_plain_sums(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    equity = [usd(10_000)]
    for _ in range(rng.randint(70, 200)):
        equity.append(usd(equity[-1] * Decimal(repr(1 + rng.gauss(0.0005, 0.015)))))
    trades = [Decimal(rng.randint(-500, 500)) for _ in range(rng.randint(3, 40))]
    row = measured(path, equity, [*trades, -1, 1], risk_free_rate=0.03)
    values = np.array([float(value) for value in equity])
    returns, daily = values[1:] / values[:-1] - 1, 1.03 ** (1 / 252) - 1
    assert row["sharpe_ratio"] == pytest.approx(float(empyrical.sharpe_ratio(returns, daily)), rel=1e-9)
    assert row["sortino_ratio"] == pytest.approx(float(empyrical.sortino_ratio(returns, daily)), rel=1e-9)
    assert row["volatility_pct"] == pytest.approx(100 * float(empyrical.annual_volatility(returns)), rel=1e-9)
    assert row["max_drawdown_pct"] == pytest.approx(-100 * float(empyrical.max_drawdown(returns)), rel=1e-9)
    assert row["cagr_pct"] == pytest.approx(100 * float(empyrical.annual_return(returns)), rel=1e-9)
    gains, losses = sum(t for t in trades if t > 0) + 1, 1 - sum(t for t in trades if t < 0)
    assert row["profit_factor"] == pytest.approx(float(gains / losses), rel=1e-12)
    assert row["win_rate"] == pytest.approx(100 * (sum(t > 0 for t in trades) + 1) / (len(trades) + 2), rel=1e-12)
    assert row["annualised_return_pct"] is not None
    assert row["undefined"] == {}


def test_a_range_counts_its_own_sessions_and_trades_with_both_ends(path: Path) -> None:
    with open_mart(path) as mart:
        dates = add_daily_pnl(mart, "m", [1000, 1100, 1210, 1089, 1089])
        build_timeseries(mart)
        for at, pnl in zip(dates, (10, 20, -30, 40), strict=True):
            close_trades(mart, "m", [pnl], at)
    (row,) = get_metrics(path, ["m"], dates[1], dates[2])["metrics"]
    assert (row["first_date"], row["last_date"], row["sessions"]) == (str(dates[1]), str(dates[2]), 2)
    assert (row["starting_equity"], row["portfolio_value"], row["return_pct"]) == (1100, 1089, -1)
    assert (row["closed_trades"], row["best_trade"], row["worst_trade"]) == (2, 20, -30)


def test_all_models_stand_in_the_order_of_their_returns_and_one_can_be_asked_for(path: Path) -> None:
    with open_mart(path) as mart:
        for model, last in (("a", 900), ("b", 1200), ("c", 1000)):
            add_daily_pnl(mart, model, [1000, last])
        build_timeseries(mart)
    assert [row["model"] for row in get_metrics(path)["metrics"]] == ["b", "c", "a"]
    assert [row["model"] for row in get_metrics(path, ["a", "c"])["metrics"]] == ["c", "a"]


def test_a_model_without_a_session_in_the_range_is_named(path: Path) -> None:
    with open_mart(path) as mart:
        add_daily_pnl(mart, "m", [1000, 1100])
        build_timeseries(mart)
    with pytest.raises(NoDataError, match="no scored session of ghost in that range; there are sessions of: m"):
        get_metrics(path, ["m", "ghost"])
    with pytest.raises(NoDataError, match="no scored session of anybody"):
        get_metrics(path, end_date=FIRST_SESSION - timedelta(days=1))


# --- what is undefined ---

FEW = {"annualised_return_pct": "fewer than 63 sessions"}
DEGENERATE: dict[str, tuple[Sequence[Money], dict[str, str]]] = {
    "one day": (
        [1000, 900],
        {
            **FEW,
            "volatility_pct": "one session",
            "sharpe_ratio": "one session",
            "sortino_ratio": "one session",
        },
    ),
    "no change": (
        [1000] * 5,
        {
            **FEW,
            "sharpe_ratio": "the daily returns do not deviate",
            "sortino_ratio": "no daily return below the risk-free rate",
            "calmar_ratio": "no drawdown",
        },
    ),
    "no change for a quarter": (
        [1000] * 64,
        {
            "sharpe_ratio": "the daily returns do not deviate",
            "sortino_ratio": "no daily return below the risk-free rate",
            "calmar_ratio": "no drawdown",
        },
    ),
    "all up": (
        [1000, 1010, 1030, 1040],
        {**FEW, "sortino_ratio": "no daily return below the risk-free rate", "calmar_ratio": "no drawdown"},
    ),
    "equally up": (
        [1000, 1100, 1210, 1331],
        {
            **FEW,
            "sharpe_ratio": "the daily returns do not deviate",
            "sortino_ratio": "no daily return below the risk-free rate",
            "calmar_ratio": "no drawdown",
        },
    ),
    "bankrupt on the way": ([1000, 500, 0, 0], FEW),
    "bankrupt at once": (
        [1000, 0],
        {
            **FEW,
            "volatility_pct": "one session",
            "sharpe_ratio": "one session",
            "sortino_ratio": "one session",
            "exposure_pct": "no equity on any session",
        },
    ),
    "too large": (
        [Decimal("0.01"), 900_000_000_000],
        {
            **FEW,
            "volatility_pct": "one session",
            "sharpe_ratio": "one session",
            "sortino_ratio": "one session",
            "cagr_pct": "too large for a number",
            "calmar_ratio": "no drawdown",
        },
    ),
}


@pytest.mark.parametrize(("equity", "undefined"), DEGENERATE.values(), ids=DEGENERATE)
def test_what_is_undefined_has_its_reason_and_nothing_is_infinite(
    path: Path, equity: Sequence[Money], undefined: dict[str, str]
) -> None:
    row = measured(path, equity)
    assert row["undefined"] == {**undefined, **UNDEFINED_TRADES}
    assert {name for name, value in row.items() if value is None} == row["undefined"].keys()
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))


def test_a_range_that_begins_with_nothing_says_so(path: Path) -> None:
    with open_mart(path) as mart:
        dates = add_daily_pnl(mart, "m", [1000, 0, 0, 0], cash=[0] * 3)
        build_timeseries(mart)
    (row,) = get_metrics(path, ["m"], dates[1])["metrics"]
    reasons = {name: row["undefined"][name] for name in row["undefined"].keys() - UNDEFINED_TRADES.keys()}
    nothing = "no equity to start from"
    assert reasons == {
        "return_pct": nothing,
        "annualised_return_pct": nothing,
        "cagr_pct": nothing,
        "calmar_ratio": nothing,
        "sharpe_ratio": "the daily returns do not deviate",
        "sortino_ratio": "no daily return below the risk-free rate",
        "exposure_pct": "no equity on any session",
    }


# --- the command ---


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = sample_arena(tmp_path_factory.mktemp("sample"), "2012-10-01", "2012-10-12", ["cash", "momentum"])
    arena.ok("run")
    return arena


def test_the_command_answers_in_json_what_the_mart_has(arena: ArenaHome) -> None:
    answer = arena.ok("metrics", "momentum", "--start", "2012-10-03", "--format", "json").json
    (row,) = answer["metrics"]
    with duckdb.connect(str(arena.mart), read_only=True) as con:
        window = metrics_window(date(2012, 10, 3), None, 0.0)
        expected = {r["model"]: r for r in rows_of(con, metrics_query(), window)}["momentum"]
        trades = con.execute(
            "SELECT count(*), max(realized_pnl) FROM trade_log WHERE model_id = 'momentum' "
            "AND exit_date >= '2012-10-03'"
        ).fetchall()
    assert row["return_pct"] == expected["return_pct"]
    assert row["sharpe_ratio"] == expected["sharpe_ratio"]
    assert [(row["closed_trades"], Decimal(str(row["best_trade"])))] == trades
    assert row["undefined"]["annualised_return_pct"] == "fewer than 63 sessions"


def test_the_command_shows_models_side_by_side_and_reasons_where_there_is_no_figure(arena: ArenaHome) -> None:
    shown = " ".join(arena.ok("metrics", "cash", "momentum").out.split())
    assert "momentum" in shown
    assert "- (the daily returns do not deviate)" in shown
    assert "- (fewer than 63 sessions)" in shown
    assert "- (no closed trades)" in shown


def test_the_command_writes_a_line_for_each_portfolio_as_csv(arena: ArenaHome) -> None:
    rows = list(csv.DictReader(io.StringIO(arena.ok("metrics", "--format", "csv").out)))
    assert {row["model"] for row in rows} == {"cash", "momentum", "=cash", "=equal-weight"}
    (cash,) = (row for row in rows if row["model"] == "cash")
    assert "sharpe_ratio: the daily returns do not deviate" in cash["undefined"]
    assert cash["sharpe_ratio"] == ""


def test_the_command_refuses_an_unknown_model(arena: ArenaHome) -> None:
    answer = arena.aitrader("metrics", "ghost")
    assert answer.status == 1
    assert "no scored session of ghost" in answer.said
