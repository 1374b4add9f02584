"""What a Sharpe ratio is worth: the published examples, other implementations of the moments, and the edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.ranking.sharpe_inference import (
    SharpeInference,
    SharpeMoments,
    expected_best_sharpe,
    infer_sharpes,
    judge_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)

# Bailey and Lopez de Prado (2012): a fund with 24 monthly returns, an annual Sharpe ratio of 1.59.
HEDGE_FUND = SharpeMoments(24, 0.458, -2.448, 10.164)
# Bailey and Lopez de Prado (2014): the best of 100 strategies, five years of days, an annual ratio of 2.5.
STRATEGY = SharpeMoments(1250, 2.5 / math.sqrt(250), -3, 10)
VARIANCE_OF_TRIALS = 1 / 2 / 250


def test_the_fund_of_2012_is_less_sure_when_its_fat_tails_are_known() -> None:
    assert probabilistic_sharpe(replace(HEDGE_FUND, skewness=0, kurtosis=3)) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(HEDGE_FUND) == pytest.approx(0.913, abs=5e-4)


def test_the_strategy_of_2014_does_not_survive_its_hundred_trials() -> None:
    threshold = expected_best_sharpe(100, VARIANCE_OF_TRIALS)
    assert threshold == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(STRATEGY, threshold) == pytest.approx(0.9004, abs=5e-5)


def test_of_46_trials_it_would_have() -> None:
    assert probabilistic_sharpe(STRATEGY, expected_best_sharpe(46, VARIANCE_OF_TRIALS)) == pytest.approx(
        0.9505, abs=1e-4
    )


def test_a_ratio_of_two_needs_2_73_years_to_be_above_one() -> None:
    normal = SharpeMoments(2, 2 / math.sqrt(252), 0, 3)
    sessions = minimum_track_record(normal, threshold=1 / math.sqrt(252))
    assert sessions is not None
    assert sessions / 252 == pytest.approx(2.73, abs=0.005)


@given(st.floats(0.01, 0.5), st.floats(-2, 2), st.floats(0, 20), st.floats(-0.5, 0.5), st.floats(0.6, 0.999))
def test_a_track_record_of_the_least_length_reaches_the_level(
    sharpe: float, skewness: float, beyond: float, threshold: float, level: float
) -> None:
    moments = SharpeMoments(100, sharpe, skewness, 1 + skewness**2 + beyond)
    sessions = minimum_track_record(moments, threshold, level)
    if sharpe <= threshold:
        assert sessions is None
    elif sessions is not None and sharpe - threshold > 1e-6:
        variance = 1 - skewness * sharpe + (moments.kurtosis - 1) / 4 * sharpe**2
        z = (sharpe - threshold) * math.sqrt((sessions - 1) / variance)
        assert scipy.stats.norm.cdf(z) == pytest.approx(level, rel=1e-9)


def test_moments_are_those_of_scipy() -> None:
    returns = np.random.default_rng(2).gamma(2, 0.01, 300) - 0.018
    moments = sharpe_moments(returns)
    assert moments is not None
    assert moments.sessions == 300
    assert moments.sharpe == pytest.approx(returns.mean() / scipy.stats.tstd(returns), rel=1e-12)
    assert moments.skewness == pytest.approx(scipy.stats.skew(returns), rel=1e-12)
    assert moments.kurtosis == pytest.approx(scipy.stats.kurtosis(returns, fisher=False), rel=1e-12)


def test_the_expected_best_of_models_without_skill_is_what_simulation_gives() -> None:
    draws = np.random.default_rng(4).normal(0, 0.05, (20_000, 30))
    assert expected_best_sharpe(30, 0.05**2) == pytest.approx(draws.max(axis=1).mean(), rel=0.02)


def test_a_board_is_judged_in_the_light_of_all_its_models() -> None:
    rng = np.random.default_rng(5)
    returns = rng.normal(0.0, 0.01, (252, 20))
    returns[:, 0] += 0.002
    returns[:200, 3] = math.nan
    judged = infer_sharpes(returns)
    best = judged[0]
    per_session = [
        column[np.isfinite(column)].mean() / column[np.isfinite(column)].std(ddof=1) for column in returns.T
    ]
    threshold = expected_best_sharpe(20, float(np.var(per_session, ddof=1)))
    assert best.sharpe_ratio == pytest.approx(per_session[0] * math.sqrt(252))
    assert best.deflation_threshold == pytest.approx(threshold * math.sqrt(252))
    assert best.probabilistic is not None
    assert best.deflated is not None
    assert best.deflated < best.probabilistic
    assert best.reason is None
    # Of models without skill hardly any is above the best that such models are expected to show.
    assert all(j.deflated is not None and j.deflated < 0.95 for j in judged[1:])


def test_the_risk_free_rate_comes_off() -> None:
    returns = np.random.default_rng(1).normal(0.001, 0.01, (100, 1))
    rate = 0.05
    (judged,) = infer_sharpes(returns, risk_free_rate=rate)
    excess = returns[:, 0] - ((1 + rate) ** (1 / 252) - 1)
    assert judged.sharpe_ratio == pytest.approx(excess.mean() / excess.std(ddof=1) * math.sqrt(252))


def test_a_single_model_was_not_selected_so_nothing_is_deflated() -> None:
    (judged,) = infer_sharpes(np.random.default_rng(1).normal(0.002, 0.01, (100, 1)))
    assert judged.probabilistic is not None
    assert judged.deflated is judged.deflation_threshold is None
    assert judged.reason == "a single model: nothing was selected"


def test_a_model_that_loses_has_no_track_record_that_is_long_enough() -> None:
    (judged,) = infer_sharpes(np.random.default_rng(1).normal(-0.002, 0.01, (100, 1)))
    assert judged.min_track_record is None
    assert judged.reason == "its Sharpe ratio is not above 0: no track record is long enough"


@pytest.mark.parametrize("series", [[], [0.01], [0.1, 0.1, 0.1], [0.0] * 50, [math.nan] * 5])
def test_a_series_without_a_sharpe_ratio_gets_a_reason(series: list[float]) -> None:
    returns = np.array(series)[:, None]
    nothing = SharpeInference(None, None, None, None, None, "its returns do not vary: a Sharpe ratio is undefined")
    assert infer_sharpes(returns) == [nothing]


def test_an_estimate_that_seems_to_have_no_variance_is_no_certainty() -> None:
    impossible = SharpeMoments(50, 1.0, 2.0, 5.0)
    assert probabilistic_sharpe(impossible) is None
    assert minimum_track_record(impossible) is None
    assert judge_sharpe(impossible, 0.1, 0.95).reason == "the variance of its Sharpe ratio is estimated as zero"


def test_the_best_of_one_is_no_selection() -> None:
    with pytest.raises(ValueError, match="2 are the fewest"):
        expected_best_sharpe(1, 0.1)
