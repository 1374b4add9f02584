"""Whether stated confidence is worth anything: the score, its parts, and the buckets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from aitrader_pipeline.ranking.calibration import calibrate, wilson_interval

CALLS = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=200)


def test_a_small_example_by_hand() -> None:
    result = calibrate(np.array([80.0, 80, 80, 80, 20]), np.array([1.0, 1, 1, 0, 0]))
    assert result.calls == 5
    assert result.brier == pytest.approx((3 * 0.04 + 0.64 + 0.04) / 5)
    assert result.uncertainty == pytest.approx(0.6 * 0.4)
    assert result.reliability == pytest.approx((4 * 0.05**2 + 0.2**2) / 5)
    assert result.resolution == pytest.approx((4 * 0.15**2 + 0.6**2) / 5)
    assert result.skill == pytest.approx(1 - 0.16 / 0.24)


@given(CALLS)
def test_the_parts_add_up_to_the_score(calls: list[tuple[int, bool]]) -> None:
    stated, outcome = np.array(calls, dtype=float).T
    result = calibrate(stated, outcome)
    assert result.brier is not None
    assert result.reliability is not None
    assert result.resolution is not None
    assert result.uncertainty is not None
    assert result.reliability - result.resolution + result.uncertainty == pytest.approx(result.brier, abs=1e-12)
    assert sum(bucket.calls for bucket in result.buckets) == len(calls)
    for bucket in result.buckets:
        assert bucket.low <= bucket.mean_confidence <= bucket.high
        assert bucket.hit_rate_low_pct <= bucket.hit_rate_pct + 1e-9
        assert bucket.hit_rate_pct <= bucket.hit_rate_high_pct + 1e-9


def test_a_model_that_knows_its_chances_is_reliable_and_one_that_boasts_is_not() -> None:
    rng = np.random.default_rng(6)
    chances = rng.choice([0.1, 0.5, 0.9], 20_000)
    outcome = (rng.random(20_000) < chances).astype(float)
    honest = calibrate(100 * chances, outcome)
    boasting = calibrate(np.full(20_000, 95.0), outcome)
    assert honest.reliability == pytest.approx(0, abs=1e-4)
    assert honest.skill == pytest.approx(1 - (2 * 0.09 + 0.25) / 3 / 0.25, abs=0.02)
    assert boasting.resolution == pytest.approx(0, abs=1e-12)
    assert boasting.skill is not None
    assert boasting.skill < 0


def test_a_bucket_begins_with_its_lower_edge_and_the_last_holds_100() -> None:
    result = calibrate(np.array([0.0, 9.9, 10, 90, 100]), np.array([0.0, 1, 1, 1, 1]))
    assert [(b.low, b.high, b.calls) for b in result.buckets] == [(0, 10, 2), (10, 20, 1), (90, 100, 2)]
    assert result.buckets[0].hit_rate_pct == 50
    assert result.buckets[2].mean_confidence == 95


@pytest.mark.parametrize(("hits", "calls"), [(0, 1), (0, 10), (3, 10), (10, 10), (81, 263)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_intervals_are_those_of_statsmodels(hits: int, calls: int, level: float) -> None:
    expected = proportion_confint(hits, calls, alpha=1 - level, method="wilson")
    assert wilson_interval(hits, calls, level) == pytest.approx(expected, abs=1e-12)


def test_calls_without_a_confidence_or_an_outcome_are_left_out() -> None:
    result = calibrate(np.array([70.0, math.nan, 30.0]), np.array([1.0, 1.0, math.nan]))
    assert result.calls == 1
    assert result.brier == pytest.approx(0.09)
    assert result.skill is None


def test_without_any_call_there_is_a_reason() -> None:
    result = calibrate(np.array([math.nan]), np.array([1.0]))
    assert (result.calls, result.brier, result.buckets) == (0, None, ())
    assert result.reason == "no call with a confidence and a known outcome"


@pytest.mark.parametrize("confidence", [-1.0, 100.5])
def test_a_confidence_that_is_no_percentage_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        calibrate(np.array([confidence]), np.array([1.0]))
