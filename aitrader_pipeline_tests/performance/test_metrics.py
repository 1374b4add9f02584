"""The curve and its metrics against other people's numbers.

The declared golden vectors, empyrical, and a plain numpy recomputation of every window.
"""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import empyrical
import numpy as np
import pytest

from aitrader_pipeline.performance.returns import annualised_return_pct, period_return_pct
from aitrader_pipeline_tests.series import (
    FIRST_SESSION,
    Row,
    add_daily_pnl,
    build_timeseries,
    metrics_of,
    open_mart,
    rows_of,
    usd,
)

Mart = duckdb.DuckDBPyConnection
RATIOS = ("sharpe_ratio", "sortino_ratio", "calmar_ratio")


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def close_to(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9)


def metrics_of_curve(mart: Mart, equity: Sequence[float], risk_free_rate: float = 0.0) -> Row:
    add_daily_pnl(mart, "m", equity)
    build_timeseries(mart)
    return metrics_of(mart, risk_free_rate=risk_free_rate)["m"]


def random_curve(seed: int, sessions: int) -> list[Decimal]:
    rng = random.Random(seed)
    equity = [usd(10_000)]
    for _ in range(sessions):
        equity.append(usd(equity[-1] * Decimal(repr(1 + rng.gauss(0.0005, 0.015)))))
    return equity


def returns_of(equity: Sequence[Decimal]) -> np.ndarray:
    values = np.array([float(value) for value in equity])
    returns: np.ndarray = values[1:] / values[:-1] - 1
    return returns


# --- the declared golden vectors ---


def test_the_drawdown_of_the_golden_curve_is_500_dollars_from_its_peak_of_101000(mart: Mart) -> None:
    row = metrics_of_curve(mart, [100_000, 101_000, 100_500, 102_000, 101_500, 103_000])
    assert row["max_drawdown"] == 500
    assert row["max_drawdown_pct"] == pytest.approx(0.49505, abs=5e-6)
    assert row["sharpe_ratio"] == pytest.approx(9.34430, abs=5e-6)
    assert row["profit"] == 3000
    assert row["return_pct"] == close_to(3.0)


@pytest.mark.parametrize(("risk_free_rate", "sharpe"), [(0.0, 9.29516), ((1 + 0.05 / 252) ** 252 - 1, 8.98778)])
def test_the_sharpe_ratio_of_the_golden_returns(mart: Mart, risk_free_rate: float, sharpe: float) -> None:
    # The declared 8.98779 is a slip in its last digit: exact arithmetic and empyrical give 8.9877804.
    equity = [100_000.0]
    for daily_return in (0.01, -0.005, 0.015, -0.005, 0.015):
        equity.append(equity[-1] * (1 + daily_return))
    assert metrics_of_curve(mart, equity, risk_free_rate)["sharpe_ratio"] == pytest.approx(sharpe, abs=5e-6)


def test_the_deepest_drawdown_is_the_largest_share_and_not_the_most_dollars(mart: Mart) -> None:
    row = metrics_of_curve(mart, [100, 50, 1000, 900])
    assert row["max_drawdown_pct"] == 50
    assert row["max_drawdown"] == 50


def test_three_equal_returns_have_no_sharpe_ratio(mart: Mart) -> None:
    row = metrics_of_curve(mart, [100, 110, 121, 133.1])
    assert row["sharpe_ratio"] is None
    assert row["volatility_pct"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("base", "last", "first", "end", "return_pct", "annualised"),
    [
        (10_000, 10_500, date(2025, 1, 16), date(2025, 1, 20), 5.0, 3422.24),
        (10_000, 9_500, date(2025, 1, 16), date(2025, 1, 23), -5.0, -90.37),
        (10_000, 11_000, date(2024, 1, 1), date(2024, 12, 30), 10.0, 10.0),
        (0, 1_000, date(2025, 1, 16), date(2025, 1, 20), 0.0, 0.0),
        (10_000, 0, date(2025, 1, 16), date(2025, 1, 20), -100.0, 0.0),
    ],
)
def test_the_reference_cases_of_the_annualised_return(
    base: int, last: int, first: date, end: date, return_pct: float, annualised: float
) -> None:
    assert round(period_return_pct(base, last), 2) == return_pct
    result = annualised_return_pct(base, last, first, end)
    assert result is not None
    assert round(result, 2) == annualised


def test_an_annualised_return_too_large_for_a_number_is_none() -> None:
    assert annualised_return_pct(1, 1000, date(2025, 1, 16), date(2025, 1, 16)) is None


def test_a_period_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before its first date 2025-01-16"):
        annualised_return_pct(1, 2, date(2025, 1, 16), date(2025, 1, 15))


# --- against empyrical ---


@pytest.mark.parametrize("seed", range(30))
def test_risk_agrees_with_empyrical_on_random_curves(mart: Mart, seed: int) -> None:
    # CAGR is empyrical's annual_return: both compound over 252 sessions. The arena's annualised return counts
    # calendar days and has no counterpart there; volatility and drawdown are fractions there (drawdown negative).
    equity = random_curve(seed, sessions=random.Random(seed).randint(5, 300))
    returns = returns_of(equity)
    add_daily_pnl(mart, "m", equity)
    build_timeseries(mart)
    row = metrics_of(mart)["m"]
    assert row["volatility_pct"] == close_to(100 * float(empyrical.annual_volatility(returns)))
    assert row["sharpe_ratio"] == close_to(float(empyrical.sharpe_ratio(returns)))
    assert row["sortino_ratio"] == close_to(float(empyrical.sortino_ratio(returns)))
    assert row["max_drawdown_pct"] == close_to(-100 * float(empyrical.max_drawdown(returns)))
    assert row["cagr_pct"] == close_to(100 * float(empyrical.annual_return(returns)))
    assert row["calmar_ratio"] == close_to(float(empyrical.calmar_ratio(returns)))

    risk_free_day = 1.04 ** (1 / 252) - 1
    with_rate = metrics_of(mart, risk_free_rate=0.04)["m"]
    assert with_rate["sharpe_ratio"] == close_to(float(empyrical.sharpe_ratio(returns, risk_free_day)))
    assert with_rate["sortino_ratio"] == close_to(float(empyrical.sortino_ratio(returns, risk_free_day)))


# --- degenerate curves ---


def assert_nothing_is_infinite(row: Row) -> None:
    for name, value in row.items():
        assert not isinstance(value, float) or math.isfinite(value), name


def test_one_day_has_a_return_and_no_risk(mart: Mart) -> None:
    row = metrics_of_curve(mart, [10_000, 9_900])
    assert row["sessions"] == 1
    assert row["return_pct"] == close_to(-1.0)
    assert row["max_drawdown_pct"] == close_to(1.0)
    assert row["volatility_pct"] is None
    assert row["sharpe_ratio"] is None
    assert row["sortino_ratio"] is None


def test_a_flat_curve_has_zero_risk_and_no_ratios(mart: Mart) -> None:
    row = metrics_of_curve(mart, [10_000] * 6)
    assert [row["return_pct"], row["volatility_pct"], row["max_drawdown_pct"], row["cagr_pct"]] == [0, 0, 0, 0]
    assert row["max_drawdown"] == 0
    assert [row[name] for name in RATIOS] == [None, None, None]


def test_a_curve_that_only_rises_has_no_sortino_and_no_calmar_ratio(mart: Mart) -> None:
    row = metrics_of_curve(mart, [10_000, 10_100, 10_300, 10_350])
    assert row["sharpe_ratio"] > 0
    assert row["sortino_ratio"] is None
    assert row["calmar_ratio"] is None
    assert row["max_drawdown_pct"] == 0


def test_the_loss_of_the_first_day_is_a_drawdown_from_the_starting_cash(mart: Mart) -> None:
    row = metrics_of_curve(mart, [10_000, 9_000, 9_500])
    assert row["max_drawdown_pct"] == close_to(10.0)
    assert row["max_drawdown"] == 1000


def test_a_bankrupt_model_has_lost_all_and_stays_at_nothing(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [10_000, 5_000, 0, 0, 0], cash=[0, 0, 0, 0])
    build_timeseries(mart)
    row = metrics_of(mart)["m"]
    assert_nothing_is_infinite(row)
    assert [row["return_pct"], row["max_drawdown_pct"], row["cagr_pct"]] == [-100, 100, -100]
    assert row["calmar_ratio"] == close_to(-1.0)
    assert row["exposure_pct"] == 100  # of the one day that had equity to expose
    days = rows_of(mart, "FROM portfolio_timeseries ORDER BY date")
    assert [day["daily_return_pct"] for day in days] == [-50, -100, 0, 0]
    assert [day["exposure_pct"] for day in days] == [100, None, None, None]


def test_a_window_that_starts_with_nothing_has_no_return(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [10_000, 0, 0, 500, 400])
    build_timeseries(mart)
    row = metrics_of(mart, start=dates[1])["m"]
    assert_nothing_is_infinite(row)
    assert row["starting_equity"] == 0
    assert row["return_pct"] is None
    assert row["annualised_return_pct"] is None
    assert row["cagr_pct"] is None
    assert row["calmar_ratio"] is None
    assert row["max_drawdown_pct"] == close_to(20.0)


def test_a_gain_beyond_the_range_of_numbers_when_compounded_is_null(mart: Mart) -> None:
    row = metrics_of_curve(mart, [0.01, 900_000_000_000, 1])
    assert_nothing_is_infinite(row)
    row = metrics_of(mart, end=FIRST_SESSION)["m"]
    assert_nothing_is_infinite(row)
    assert row["cagr_pct"] is None
    assert row["return_pct"] > 1e15


def test_a_constant_return_equal_to_the_risk_free_rate_has_no_ratio_out_of_rounding_noise(mart: Mart) -> None:
    row = metrics_of_curve(mart, [100, 110, 121, 133.1], risk_free_rate=1.1**252 - 1)
    assert row["sharpe_ratio"] is None
    assert row["sortino_ratio"] is None


# --- windows ---


def test_every_model_and_window_equals_a_recomputation_from_scratch(mart: Mart) -> None:
    rng = random.Random(7)
    curves: dict[str, tuple[list[date], list[Decimal], list[Decimal]]] = {}
    for number in range(5):
        model = f"model-{number}"
        equity = random_curve(100 + number, sessions=20 + 45 * number)
        cash = [usd(value * Decimal(rng.randint(0, 90)) / 100) for value in equity[1:]]
        first = FIRST_SESSION + timedelta(days=10 * number)
        dates = add_daily_pnl(mart, model, equity, first=first, cash=cash, trades=number, costs="0.35")
        curves[model] = (dates, equity, cash)
    build_timeseries(mart)
    day = date(2025, 11, 3)
    for start, end in [(None, None), (day, None), (None, day), (day, day + timedelta(days=120)), (day, day)]:
        measured = metrics_of(mart, start, end, risk_free_rate=0.03)
        expected = {
            model: scratch
            for model, (dates, equity, cash) in curves.items()
            if (scratch := recompute(dates, equity, cash, start, end, 1.03 ** (1 / 252) - 1))
        }
        assert measured.keys() == expected.keys()
        for model, figures in expected.items():
            for name, value in figures.items():
                assert measured[model][name] == (close_to(value) if isinstance(value, float) else value), name
            number = int(model[-1])
            assert measured[model]["trades"] == number * figures["sessions"]
            assert measured[model]["costs"] == usd("0.35") * figures["sessions"]


def recompute(
    dates: list[date],
    equity: list[Decimal],
    cash: list[Decimal],
    start: date | None,
    end: date | None,
    risk_free_day: float,
) -> Row:
    inside = [i for i, day in enumerate(dates) if (start or date.min) <= day <= (end or date.max)]
    if not inside:
        return {}
    part = equity[inside[0] : inside[-1] + 2]
    values = np.array([float(value) for value in part])
    returns = returns_of(part)
    peaks = np.maximum.accumulate(values)
    deepest = int(np.argmax((peaks - values) / peaks))
    excess = returns - risk_free_day
    count = len(returns)
    enough = count >= 2
    falls = bool((excess < 0).any())
    cagr = (values[-1] / values[0]) ** (252 / count) - 1
    drawdown = float((peaks - values)[deepest] / peaks[deepest])
    days = (dates[inside[-1]] - dates[inside[0]]).days + 1
    downside = math.sqrt(float((np.minimum(excess, 0) ** 2).mean()))
    return {
        "first_date": dates[inside[0]],
        "last_date": dates[inside[-1]],
        "sessions": count,
        "starting_equity": part[0],
        "portfolio_value": part[-1],
        "profit": part[-1] - part[0],
        "return_pct": float(100 * (part[-1] - part[0]) / part[0]),
        "annualised_return_pct": 100 * ((values[-1] / values[0]) ** (365 / days) - 1) if count >= 63 else None,
        "volatility_pct": 100 * float(returns.std(ddof=1)) * math.sqrt(252) if enough else None,
        "sharpe_ratio": excess.mean() / returns.std(ddof=1) * math.sqrt(252) if enough else None,
        "sortino_ratio": excess.mean() / downside * math.sqrt(252) if enough and falls else None,
        "max_drawdown_pct": 100 * drawdown,
        "max_drawdown": max(part[: deepest + 1]) - part[deepest],
        "cagr_pct": 100 * float(cagr),
        "calmar_ratio": float(cagr) / drawdown if drawdown > 0 else None,
        "exposure_pct": float(np.mean([float(100 * (equity[i + 1] - cash[i]) / equity[i + 1]) for i in inside])),
    }


def test_a_window_forgets_the_peak_before_it(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "m", [100, 200, 100, 95, 110])
    build_timeseries(mart)
    assert metrics_of(mart)["m"]["max_drawdown_pct"] == close_to(52.5)
    later = metrics_of(mart, start=dates[2])["m"]
    assert later["starting_equity"] == 100
    assert later["max_drawdown_pct"] == close_to(5.0)
    assert later["return_pct"] == close_to(10.0)


def test_models_without_a_session_in_the_window_are_left_out(mart: Mart) -> None:
    dates = add_daily_pnl(mart, "early", [100, 101])
    add_daily_pnl(mart, "late", [100, 101], first=date(2025, 11, 3))
    build_timeseries(mart)
    assert metrics_of(mart, end=dates[-1]).keys() == {"early"}
    assert metrics_of(mart, start=date(2026, 1, 1)) == {}


def test_the_annualised_return_is_the_plain_function_from_63_sessions_on(mart: Mart) -> None:
    curves = {sessions: random_curve(sessions, sessions) for sessions in (62, 63, 64, 120, 260)}
    curves[70] = [usd(10_000)] * 70 + [usd(0)]
    dates = {n: add_daily_pnl(mart, f"m{n}", curve) for n, curve in curves.items()}
    build_timeseries(mart)
    rows = metrics_of(mart)
    assert rows["m62"]["annualised_return_pct"] is None
    assert rows["m70"]["annualised_return_pct"] == 0
    for n in (63, 64, 70, 120, 260):
        curve, days = curves[n], dates[n]
        expected = annualised_return_pct(curve[0], curve[-1], days[0], days[-1])
        assert expected is not None
        assert rows[f"m{n}"]["annualised_return_pct"] == close_to(expected)
        assert rows[f"m{n}"]["return_pct"] == close_to(period_return_pct(curve[0], curve[-1]))


def test_the_same_curve_gives_the_same_figures_to_the_last_bit_however_it_was_stored(mart: Mart) -> None:
    # Long enough that DuckDB adds up a model's days in pieces, on several threads, in an order that it chooses.
    equity = random_curve(1, 250)
    add_daily_pnl(mart, "a", equity, cash=[value / 3 for value in random_curve(2, 249)])
    build_timeseries(mart)
    mart.execute("SET threads = 2")
    mart.execute(
        """
        CREATE TABLE shuffled AS
        SELECT curve.* REPLACE (copies.model AS model, curve.date + 365 * blocks.number::INTEGER AS date)
        FROM portfolio_timeseries AS curve, range(80) AS blocks(number), unnest(['a', 'b', 'c']) AS copies(model)
        ORDER BY hash(copies.model || curve.date || blocks.number)
        """
    )
    mart.execute("DELETE FROM portfolio_timeseries")
    mart.execute("INSERT INTO portfolio_timeseries FROM shuffled")
    rows = [{**row, "model": ""} for row in metrics_of(mart).values()]
    assert rows[0]["sessions"] == 20_000
    assert rows[0] == rows[1] == rows[2]
