"""Who stands where: ties, undefined ratios, and the same statement on the table and on another window."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aitrader_pipeline.store.sql import statement
from aitrader_pipeline_tests.series import (
    Row,
    add_closes,
    add_daily_pnl,
    build_timeseries,
    metrics_of,
    open_mart,
    rows_of,
    window,
)

Mart = duckdb.DuckDBPyConnection


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def add_metrics(
    mart: Mart,
    model: str,
    return_pct: float | None,
    sharpe: float | None = None,
    drawdown: float | None = None,
    **other: Any,
) -> None:
    row: Row = {
        "model": model,
        "kind": "model",
        "first_date": date(2025, 10, 2),
        "last_date": date(2025, 10, 30),
        "sessions": 21,
        "starting_equity": 10_000,
        "portfolio_value": 10_000,
        "profit": 0,
        "return_pct": return_pct,
        "sharpe_ratio": sharpe,
        "max_drawdown_pct": drawdown,
        "trades": 0,
        "costs": 0,
        **other,
    }
    mart.execute("INSERT INTO performance_metrics BY NAME SELECT unnest($row)", {"row": row})


def rebuild(mart: Mart) -> list[Row]:
    mart.execute("DELETE FROM leaderboard")
    mart.execute(f"INSERT INTO leaderboard BY NAME {statement('aitrader_pipeline.ranking', 'leaderboard')}")
    return rows_of(mart, "FROM leaderboard ORDER BY rank, model")


def places(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row["rank"], row["model"]) for row in rows]


def test_the_highest_return_leads(mart: Mart) -> None:
    add_metrics(mart, "a", 1.0, sharpe=9.0)
    add_metrics(mart, "b", 13.89, sharpe=1.0)
    add_metrics(mart, "c", -4.0)
    assert places(rebuild(mart)) == [(1, "b"), (2, "a"), (3, "c")]


def test_equal_returns_are_ordered_by_sharpe_and_an_undefined_one_is_last(mart: Mart) -> None:
    add_metrics(mart, "a", 5.0, sharpe=None)
    add_metrics(mart, "b", 5.0, sharpe=-2.0)
    add_metrics(mart, "c", 5.0, sharpe=1.5)
    assert places(rebuild(mart)) == [(1, "c"), (2, "b"), (3, "a")]


def test_equal_returns_and_sharpe_are_ordered_by_the_smaller_drawdown_and_an_undefined_one_is_last(
    mart: Mart,
) -> None:
    add_metrics(mart, "a", 5.0, sharpe=1.0, drawdown=None)
    add_metrics(mart, "b", 5.0, sharpe=1.0, drawdown=7.0)
    add_metrics(mart, "c", 5.0, sharpe=1.0, drawdown=2.0)
    assert places(rebuild(mart)) == [(1, "c"), (2, "b"), (3, "a")]


def test_exact_ties_share_a_rank_and_the_next_place_stays_empty(mart: Mart) -> None:
    add_metrics(mart, "first", 9.0, sharpe=1.0, drawdown=2.0)
    add_metrics(mart, "tied-2", 5.0, sharpe=1.0, drawdown=2.0)
    add_metrics(mart, "tied-1", 5.0, sharpe=1.0, drawdown=2.0)
    add_metrics(mart, "cash-1", 0.0, sharpe=None, drawdown=0.0)
    add_metrics(mart, "cash-2", 0.0, sharpe=None, drawdown=0.0)
    add_metrics(mart, "last", -1.0)
    assert places(rebuild(mart)) == [
        (1, "first"),
        (2, "tied-1"),
        (2, "tied-2"),
        (4, "cash-1"),
        (4, "cash-2"),
        (6, "last"),
    ]


def test_a_model_without_a_return_is_not_ranked(mart: Mart) -> None:
    add_metrics(mart, "nothing", None, sharpe=3.0)
    add_metrics(mart, "loser", -50.0)
    assert places(rebuild(mart)) == [(1, "loser")]


def test_a_row_carries_the_figures_it_was_ranked_by(mart: Mart) -> None:
    figures = {
        "annualised_return_pct": 40.0,
        "volatility_pct": 12.5,
        "exposure_pct": 80.0,
        "trades": 17,
        "sessions": 70,
        "portfolio_value": 11_000,
    }
    add_metrics(mart, "m", 10.0, 1.5, 3.0, kind="baseline", **figures)
    assert rebuild(mart) == [
        {
            "rank": 1,
            "model": "m",
            "kind": "baseline",
            "date": date(2025, 10, 30),
            "cumulative_return_pct": 10.0,
            "sharpe_ratio": 1.5,
            "max_drawdown_pct": 3.0,
            **figures,
            **dict.fromkeys(["inference_cost_usd", "cost_per_trade_usd", "net_return_pct"]),
            **dict.fromkeys(["replica_of", "training_cutoff", "in_sample_sessions", "leaks_told", "leaks_said"]),
        }
    ]


def test_models_with_the_same_curve_share_a_rank_and_the_benchmark_stands_beside_them(mart: Mart) -> None:
    curve = [10_000, 10_130.37, 10_011.91, 10_377.77, 10_290.01]
    dates = add_daily_pnl(mart, "a", curve)
    add_daily_pnl(mart, "b", curve)
    add_daily_pnl(mart, "cash", [10_000] * 5, kind="baseline")
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100, dates[-1]: 101})
    build_timeseries(mart, "QQQ")
    metrics_of(mart)
    assert [(row["rank"], row["model"], row["kind"]) for row in rebuild(mart)] == [
        (1, "a", "model"),
        (1, "b", "model"),
        (3, "QQQ", "benchmark"),
        (4, "cash", "baseline"),
    ]


def test_the_standings_of_an_earlier_date_need_no_rebuilt_table(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "early-bird", [10_000, 10_500, 10_400, 9_000])
    add_daily_pnl(mart, "late-bloomer", [10_000, 9_900, 10_000, 12_000])
    add_daily_pnl(mart, "newcomer", [10_000, 99_000], first=dates[2])
    build_timeseries(mart)
    metrics_of(mart)
    assert places(rebuild(mart)) == [(1, "newcomer"), (2, "late-bloomer"), (3, "early-bird")]

    metrics = statement("aitrader_pipeline.performance", "performance_metrics")
    ad_hoc = f"WITH performance_metrics AS ({metrics}) {statement('aitrader_pipeline.ranking', 'leaderboard')}"
    rows = rows_of(mart, ad_hoc, window(end=dates[1]))
    assert places(rows) == [(1, "early-bird"), (2, "late-bloomer")]
    assert [row["date"] for row in rows] == [dates[1], dates[1]]
    assert [row["cumulative_return_pct"] for row in rows] == [4.0, 0.0]
    assert places(rows_of(mart, "FROM leaderboard ORDER BY rank"))[0] == (1, "newcomer")

    assert rows_of(mart, ad_hoc, window()) == rows_of(mart, "FROM leaderboard ORDER BY rank, model")


def test_the_select_has_exactly_the_columns_of_its_table(mart: Mart) -> None:
    described = "SELECT column_name, column_type FROM (DESCRIBE {})"
    select = rows_of(mart, described.format(statement("aitrader_pipeline.ranking", "leaderboard")))
    assert select == rows_of(mart, described.format("leaderboard"))
