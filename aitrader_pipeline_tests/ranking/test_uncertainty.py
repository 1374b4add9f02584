"""How sure the board is: intervals around what was seen, who can be told apart, and when it is too early."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest

from aitrader_pipeline.config import MetricsConfig
from aitrader_pipeline.ranking.uncertainty import inferred, read_returns, resamples_for, write_uncertainty
from aitrader_pipeline_tests.arena_homes import sample_arena
from aitrader_pipeline_tests.series import add_daily_pnl, build_timeseries, metrics_of, open_mart, rows_of

Mart = duckdb.DuckDBPyConnection
METRICS = MetricsConfig(resamples=1_000)
YEAR = 252


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[Mart]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def curve(daily: Sequence[float]) -> list[float]:
    return [round(float(value), 6) for value in 10_000 * np.cumprod([1.0, *(1 + np.asarray(daily))])]


def noise(seed: int, sessions: int, mean: float = 0.0) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, 0.01, sessions))


def board(mart: Mart, metrics: MetricsConfig = METRICS) -> dict[str, dict[str, object]]:
    build_timeseries(mart)
    metrics_of(mart)
    returns = read_returns(mart)
    write_uncertainty(mart, returns, inferred(returns, metrics), metrics)
    return {str(row["model"]): row for row in rows_of(mart, "FROM uncertainty")}


def test_intervals_hold_what_was_seen_and_better_is_told_from_worse(mart: Mart) -> None:
    add_daily_pnl(mart, "good", curve(noise(1, YEAR, 0.004)))
    add_daily_pnl(mart, "bad", curve(noise(2, YEAR, -0.004)))
    found = board(mart)
    for row in found.values():
        for figure in ("return", "max_drawdown"):
            assert row[f"{figure}_low_pct"] < row[f"{figure}_pct"] < row[f"{figure}_high_pct"]  # type: ignore[operator]
        assert row["sharpe_low"] < row["sharpe_ratio"] < row["sharpe_high"]  # type: ignore[operator]
    assert (found["good"]["tie_group"], found["bad"]["tie_group"]) == ("a", "b")
    assert found["good"]["p_best"] == 1
    assert mart.execute("SELECT told_apart, p_return_above FROM pairwise_comparison").fetchall() == [(True, 0.0)]


def test_what_trades_alike_shares_a_letter(mart: Mart) -> None:
    for seed, model in enumerate(("one", "other"), start=1):
        add_daily_pnl(mart, model, curve(noise(seed, YEAR)))
    found = board(mart)
    assert {row["tie_group"] for row in found.values()} == {"a"}
    assert mart.execute("SELECT told_apart FROM pairwise_comparison").fetchall() == [(False,)]


def test_with_few_sessions_nothing_is_inferred_and_the_board_says_why(mart: Mart) -> None:
    add_daily_pnl(mart, "new", curve(noise(1, 5, 0.01)))
    add_daily_pnl(mart, "old", curve(noise(2, YEAR)))
    new = board(mart)["new"]
    assert (new["return_low_pct"], new["tie_group"], new["p_best"]) == (None, None, None)
    assert "too early: 5 sessions, 20 are needed" in str(new["reason"])
    assert new["return_pct"] is not None


def test_a_bankrupt_portfolio_has_a_reason_and_stops_nobody(mart: Mart) -> None:
    add_daily_pnl(mart, "bankrupt", [10_000, 0, *[0] * 30])
    add_daily_pnl(mart, "fine", curve(noise(3, 31)))
    found = board(mart)
    assert "lost all" in str(found["bankrupt"]["reason"])
    assert found["fine"]["return_low_pct"] is not None


def test_the_same_seed_gives_the_same_figures_and_another_one_others(mart: Mart) -> None:
    for seed in (1, 2, 3):
        add_daily_pnl(mart, f"model-{seed}", curve(noise(seed, 60)))
    first = board(mart)
    assert board(mart) == first
    assert board(mart, MetricsConfig(resamples=1_000, seed=1)) != first


def test_a_large_board_is_resampled_less_often_unless_the_config_says_how_often(mart: Mart) -> None:
    add_daily_pnl(mart, "one", curve(noise(1, 30)))
    build_timeseries(mart)
    metrics_of(mart)
    small = read_returns(mart)
    large = type(small)(small.models, small.kinds, np.zeros((YEAR, 200)))
    assert resamples_for(small, MetricsConfig()) == 10_000
    assert resamples_for(large, MetricsConfig()) == 1_000
    assert resamples_for(large, MetricsConfig(resamples=5_000)) == 5_000


def test_an_empty_arena_has_an_empty_table(mart: Mart) -> None:
    assert board(mart) == {}


@pytest.mark.slow
def test_the_leaderboard_shows_likely_returns_and_groups(tmp_path: Path) -> None:
    arena = sample_arena(tmp_path, "2012-10-01", "2012-11-05", ("cash", "momentum"))
    arena.ok("run")
    rows = {row["model"]: row for row in arena.ok("leaderboard", "--format", "json").json["leaderboard"]}
    assert rows["momentum"]["return_low_pct"] < rows["momentum"]["cumulative_return_pct"]
    assert rows["momentum"]["tie_group"] is not None
    shown = arena.ok("leaderboard").out
    assert "likely return" in shown
    assert "P(best)" in shown
