"""The equity curve of portfolios, and of the benchmark that is bought and held beside them."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.store.sql import statement
from aitrader_pipeline_tests.benchmark_data import benchmark_data
from aitrader_pipeline_tests.series import (
    FIRST_SESSION,
    Row,
    add_closes,
    add_daily_pnl,
    build_timeseries,
    metrics_of,
    open_mart,
    rows_of,
    weekdays,
    window,
)

Mart = duckdb.DuckDBPyConnection


def close_to(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9)


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


# --- the curve ---


def test_the_curve_repeats_the_days_and_adds_base_peak_drawdown_and_exposure(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [1000, 900, 1200, 1080], cash=[900, 300, 0], trades=2, costs="1.5")
    build_timeseries(mart)
    days = rows_of(mart, "FROM portfolio_timeseries ORDER BY date")
    assert [day["date"] for day in days] == dates
    assert [day["base_equity"] for day in days] == [1000, 900, 1200]
    assert [day["portfolio_value"] for day in days] == [900, 1200, 1080]
    assert [day["daily_profit"] for day in days] == [-100, 300, -120]
    assert [day["cumulative_profit"] for day in days] == [-100, 200, 80]
    assert [day["peak_value"] for day in days] == [1000, 1200, 1200]
    assert [day["drawdown"] for day in days] == [100, 0, 120]
    assert [day["drawdown_pct"] for day in days] == [10, 0, 10]
    assert [day["exposure_pct"] for day in days] == [0, 75, 100]
    assert {(day["trades"], day["costs"]) for day in days} == {(2, Decimal("1.5"))}


def test_a_session_without_its_close_is_not_on_the_curve(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [1000, 1010, 1020], unscored_sessions=1)
    build_timeseries(mart)
    assert [day["date"] for day in rows_of(mart, "FROM portfolio_timeseries ORDER BY date")] == dates[:2]


@pytest.mark.parametrize(
    ("table", "parameters"),
    [("portfolio_timeseries", {"initial_cash": Decimal(10_000)}), ("performance_metrics", window())],
)
def test_each_select_has_exactly_the_columns_of_its_table(mart: Mart, table: str, parameters: Row) -> None:
    nothing = {"benchmark": None, "universe": None, "initial_cash": Decimal(10_000)}
    mart.execute(statement("aitrader_pipeline.performance", "stage_benchmarks"), nothing)
    described = "SELECT column_name, column_type FROM (DESCRIBE {})"
    select = rows_of(mart, described.format(statement("aitrader_pipeline.performance", table)), parameters)
    assert select == rows_of(mart, described.format(table))


# --- the benchmark ---


def benchmark_days(mart: Mart, symbol: str | None = "QQQ", initial_cash: int = 10_000) -> list[Row]:
    build_timeseries(mart, symbol, initial_cash)
    return rows_of(mart, "FROM portfolio_timeseries WHERE kind = 'benchmark' ORDER BY date")


def test_the_benchmark_is_bought_at_the_last_close_before_the_first_session(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000, 10_000, 10_000])
    add_closes(
        mart,
        "QQQ",
        {date(2025, 9, 30): 300, date(2025, 10, 1): 400, dates[0]: 404, dates[1]: 396, date(2025, 12, 1): 1},
    )
    days = benchmark_days(mart)
    assert [(day["model"], day["date"]) for day in days] == [("QQQ", dates[0]), ("QQQ", dates[1])]
    assert [day["base_equity"] for day in days] == [10_000, 10_100]
    assert [day["portfolio_value"] for day in days] == [10_100, 9_900]
    assert [day["daily_profit"] for day in days] == [100, -200]
    assert [day["cumulative_profit"] for day in days] == [100, -100]
    assert [day["cumulative_return_pct"] for day in days] == [1, -1]
    assert days[0]["daily_return_pct"] == close_to(1.0)
    assert days[1]["daily_return_pct"] == close_to(-200 / 101)
    assert [day["drawdown"] for day in days] == [0, 200]
    assert {(day["cash"], day["trades"], day["costs"], day["exposure_pct"]) for day in days} == {(0, 0, 0, 100)}


def test_the_benchmark_is_rounded_to_six_decimals(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000, 10_000])
    add_closes(mart, "QQQ", {date(2025, 10, 1): 3, dates[0]: 2})
    assert benchmark_days(mart)[0]["portfolio_value"] == Decimal("6666.666667")


def test_the_benchmark_carries_its_last_close_over_a_session_without_one(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000] * 5)
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100, dates[1]: 110, dates[2]: None})
    days = benchmark_days(mart)
    assert [day["portfolio_value"] for day in days] == [10_000, 11_000, 11_000, 11_000]
    assert [day["daily_profit"] for day in days] == [0, 1_000, 0, 0]


def test_the_benchmark_has_one_row_per_scored_session_of_any_model(mart: Mart) -> None:
    first = add_daily_pnl(mart, "m1", [10_000] * 4)
    later = add_daily_pnl(mart, "m2", [10_000] * 4, first=first[1], unscored_sessions=1)
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100})
    assert [day["date"] for day in benchmark_days(mart)] == sorted({*first, *later[:3]})


@pytest.mark.parametrize(
    ("symbol", "closes"),
    [
        (None, {date(2025, 10, 1): 100}),
        ("SPY", {date(2025, 10, 1): 100}),
        ("QQQ", {FIRST_SESSION: 100}),
        ("QQQ", {date(2025, 10, 1): None, FIRST_SESSION: 100}),
    ],
    ids=["no benchmark", "no prices", "no close before the first session", "only an open before it"],
)
def test_without_a_base_there_is_no_benchmark(
    mart: Mart, symbol: str | None, closes: dict[date, float | None]
) -> None:
    add_daily_pnl(mart, "m", [10_000, 10_100])
    add_closes(mart, "QQQ", dict(closes))
    assert benchmark_days(mart, symbol) == []
    assert len(rows_of(mart, "FROM portfolio_timeseries")) == 1


def test_a_portfolio_named_like_the_benchmark_keeps_its_rows(mart: Mart) -> None:
    add_daily_pnl(mart, "QQQ", [10_000, 10_100], kind="baseline")
    add_daily_pnl(mart, "m", [10_000, 10_100])
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100})
    assert benchmark_days(mart) == []
    assert [(row["model"], row["kind"]) for row in metrics_of(mart).values()] == [
        ("QQQ", "baseline"),
        ("m", "model"),
    ]


def test_the_benchmark_is_measured_like_a_model(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000, 10_100, 9_999, 10_200])
    closes = dict(zip([date(2025, 10, 1), *dates], [100, 101, 99.99, 102], strict=True))
    add_closes(mart, "QQQ", dict(closes))
    build_timeseries(mart, "QQQ")
    rows = metrics_of(mart)
    assert rows["QQQ"]["kind"] == "benchmark"
    for name in ("return_pct", "sharpe_ratio", "sortino_ratio", "max_drawdown_pct", "calmar_ratio"):
        assert rows["QQQ"][name] == close_to(rows["m"][name])


def add_action(mart: Mart, symbol: str, day: date, kind: str, value: str | None, to: str | None = None) -> None:
    mart.execute(
        "INSERT INTO corporate_actions VALUES (?, ?, ?, ?, ?, 'test', now())", [symbol, day, kind, value, to]
    )


def test_a_dividend_buys_more_of_the_benchmark_at_the_close_of_its_ex_date(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000] * 4)
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100, dates[0]: 100, dates[1]: 50, dates[2]: 60})
    add_action(mart, "QQQ", date(2025, 10, 1), "dividend", "10")  # paid to those who held it before the base
    add_action(mart, "QQQ", dates[1], "dividend", "25")
    assert [day["portfolio_value"] for day in benchmark_days(mart)] == [10_000, 7_500, 9_000]


def test_a_split_changes_nothing_of_the_benchmark_and_a_dividend_of_its_day_is_per_old_share(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000] * 4)
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100, dates[0]: 50, dates[2]: 22})
    add_action(mart, "QQQ", dates[0], "split", "2")
    add_action(mart, "QQQ", dates[1], "split", "2")  # no close on its ex-date: it counts from the next one
    add_action(mart, "QQQ", dates[1], "dividend", "11")
    assert [day["portfolio_value"] for day in benchmark_days(mart)] == [10_000, 10_000, 11_000]


def test_an_action_is_of_use_only_once_its_close_is_known(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000] * 3)
    add_closes(mart, "QQQ", {date(2025, 10, 1): 100, dates[0]: 100, dates[1]: None})
    add_action(mart, "QQQ", dates[1], "split", "2")
    assert [day["portfolio_value"] for day in benchmark_days(mart)] == [10_000, 10_000]


def test_a_renamed_symbol_goes_on_under_its_new_name(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000] * 4)
    add_closes(mart, "FB", {date(2025, 10, 1): 100, dates[0]: 110, dates[1]: 1})
    # Until then META is somebody else's.
    add_closes(mart, "META", {date(2025, 10, 1): 7, dates[1]: 120, dates[2]: 65})
    add_action(mart, "META", dates[0], "split", "3")
    add_action(mart, "FB", dates[1], "symbol_change", None, "META")
    add_action(mart, "META", dates[2], "split", "2")
    assert [day["portfolio_value"] for day in benchmark_days(mart, "FB")] == [11_000, 12_000, 13_000]


# --- the universe in equal parts, and cash ---


def values_of(mart: Mart, model: str) -> list[Decimal]:
    rows = rows_of(mart, "FROM portfolio_timeseries WHERE model = $model ORDER BY date", {"model": model})
    assert {row["kind"] for row in rows} <= {"benchmark"}
    return [row["portfolio_value"] for row in rows]


def test_the_universe_is_bought_in_equal_parts_and_held_with_its_dividends(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [9_000] * 3)
    base = date(2025, 10, 1)
    add_closes(mart, "A", {base: 10, dates[0]: 11, dates[1]: 5.5})
    add_closes(mart, "B", {base: 200, dates[0]: 180})
    add_closes(mart, "C", {base: 1, dates[1]: 2})
    add_closes(mart, "LATE", {dates[0]: 1, dates[1]: 100})
    add_closes(mart, "QQQ", {base: 1, dates[1]: 100})
    add_action(mart, "A", dates[1], "split", "2")
    build_timeseries(mart, "QQQ", 9_000, ["A", "B", "C", "LATE"])
    assert values_of(mart, "=equal-weight") == [3_300 + 2_700 + 3_000, 3_300 + 2_700 + 6_000]


def test_without_a_list_the_universe_is_all_that_is_priced_but_the_benchmark(mart: Mart) -> None:
    (session,) = add_daily_pnl(mart, "m", [10_000] * 2)
    for symbol, close in (("A", 1.1), ("B", 1.3), ("QQQ", 5)):
        add_closes(mart, symbol, {date(2025, 10, 1): 1, session: close})
    build_timeseries(mart, "QQQ", universe=None)
    assert values_of(mart, "=equal-weight") == [12_000]
    build_timeseries(mart, None, universe=None)
    assert values_of(mart, "=equal-weight") == [Decimal("24666.666667")]


def test_cash_stays_what_it_is(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [10_000, 10_100, 10_200])
    build_timeseries(mart, with_cash=True)
    assert values_of(mart, "=cash") == [10_000, 10_000]
    rows = rows_of(mart, "SELECT DISTINCT exposure_pct, drawdown FROM portfolio_timeseries WHERE model = '=cash'")
    assert rows == [{"exposure_pct": 0, "drawdown": 0}]


def test_qqq_gained_what_the_published_table_says_in_october_2025(mart: Mart) -> None:
    bars = json.loads((benchmark_data() / "nasdaq100_daily/raw/daily_prices_QQQ.json").read_text(encoding="utf-8"))
    closes = {date.fromisoformat(day): bar["4. close"] for day, bar in bars["Time Series (Daily)"].items()}
    sessions = weekdays(FIRST_SESSION, 21)
    assert sessions[-1] == date(2025, 10, 30)
    add_daily_pnl(mart, "m", [10_000] * 22)
    add_closes(mart, "QQQ", dict(closes))
    build_timeseries(mart, "QQQ")
    assert round(metrics_of(mart)["QQQ"]["return_pct"], 2) == 3.78
