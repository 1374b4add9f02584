"""Alpha and beta: against statsmodels, and at the edges."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from aitrader_pipeline.ranking.figures import Floats
from aitrader_pipeline.ranking.market_model import market_model


def series(n: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0004, 0.01, n)
    noise = rng.normal(0, 0.006, n + 1)
    return 0.0003 + 1.3 * benchmark + noise[1:] + 0.5 * noise[:-1], benchmark


@pytest.mark.parametrize("lags", [0, 1, 5, None])
@pytest.mark.parametrize("n", [30, 252])
def test_coefficients_and_errors_are_those_of_statsmodels(n: int, lags: int | None) -> None:
    returns, benchmark = series(n, seed=n)
    result = market_model(returns, benchmark, lags=lags)
    if lags is None:
        assert result.lags == math.floor(4 * (n / 100) ** (2 / 9))
    options = {"maxlags": result.lags, "use_correction": True}
    fit = sm.OLS(returns, sm.add_constant(benchmark)).fit(cov_type="HAC", cov_kwds=options)
    assert result.alpha is not None
    assert result.beta is not None
    for ours, k in ((result.alpha, 0), (result.beta, 1)):
        assert ours.value == pytest.approx(fit.params[k], rel=1e-9)
        assert ours.standard_error == pytest.approx(fit.bse[k], rel=1e-9)
        assert ours.t == pytest.approx(fit.tvalues[k], rel=1e-9)
        assert ours.p_value == pytest.approx(fit.pvalues[k], rel=1e-7, abs=1e-300)
    assert result.r_squared == pytest.approx(fit.rsquared, rel=1e-9)
    assert result.alpha_annual_pct == pytest.approx(25_200 * fit.params[0])
    assert result.sessions == n


def test_only_sessions_that_both_have_count() -> None:
    returns, benchmark = series(60, seed=1)
    expected = market_model(returns[10:50], benchmark[10:50])
    returns[:10] = math.nan
    benchmark[50:] = math.nan
    assert market_model(returns, benchmark) == expected


def test_the_risk_free_rate_comes_off_both() -> None:
    returns, benchmark = series(100, seed=2)
    daily = 1.04 ** (1 / 252) - 1
    expected = market_model(returns - daily, benchmark - daily)
    assert market_model(returns, benchmark, risk_free_rate=0.04).alpha == expected.alpha


def test_a_model_that_is_the_benchmark_twice_over_has_no_error_to_test_against() -> None:
    _, benchmark = series(50, seed=3)
    result = market_model(2 * benchmark, benchmark)
    assert result.beta is not None
    assert result.beta.value == pytest.approx(2)
    assert (result.beta.standard_error, result.beta.t, result.beta.p_value) == (0, None, None)
    assert result.r_squared == pytest.approx(1)


def test_cash_has_a_beta_of_zero_and_nothing_to_explain() -> None:
    _, benchmark = series(50, seed=3)
    result = market_model(np.zeros(50), benchmark)
    assert result.beta is not None
    assert (result.beta.value, result.beta.t, result.r_squared) == (0, None, None)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_sessions_explain_nothing(n: int) -> None:
    result = market_model(np.full(n, 0.01), np.linspace(0, 0.01, n))
    assert (result.alpha, result.beta, result.sessions) == (None, None, n)
    assert result.reason == f"{n} common sessions: 3 are the fewest"


def test_a_benchmark_that_does_not_move_explains_nothing() -> None:
    returns, _ = series(50, seed=4)
    assert market_model(returns, np.full(50, 0.001)).reason == "the benchmark does not move"


def test_a_few_sessions_with_more_lags_than_sessions_are_no_error() -> None:
    returns, benchmark = series(4, seed=5)
    assert market_model(returns, benchmark, lags=10).beta is not None


def test_false_alphas_are_about_as_rare_as_their_p_values_say() -> None:
    rng = np.random.default_rng(9)
    benchmark = rng.normal(0, 0.01, (500, 252))
    returns = 0.8 * benchmark + rng.normal(0, 0.01, (500, 252))
    found = [market_model(r, b).alpha for r, b in zip(returns, benchmark, strict=True)]
    rejected = np.mean(
        [alpha is not None and alpha.p_value is not None and alpha.p_value < 0.05 for alpha in found]
    )
    assert 0.03 <= rejected <= 0.09
