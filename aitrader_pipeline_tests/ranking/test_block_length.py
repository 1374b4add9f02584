"""How long blocks are: the paper's rule, checked against another implementation and against theory."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.datasets import macrodata, nile, sunspots

from aitrader_pipeline.ranking.block_length import automatic_block_length, common_block_length
from aitrader_pipeline.ranking.figures import Floats

PUBLISHED = [
    (nile, "volume", 12.33349425828262),
    (sunspots, "SUNACTIVITY", 21.050693046008156),
    (macrodata, "infl", 19.44971172168748),
    (macrodata, "unemp", 18.178640023762316),
]


def autoregressive(rho: float, n: int, columns: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).standard_normal((n + 100, columns))
    series = np.zeros_like(noise)
    for t in range(1, len(noise)):
        series[t] = rho * series[t - 1] + noise[t]
    return series[100:]


@pytest.mark.parametrize(("dataset", "column", "expected"), PUBLISHED)
def test_the_length_is_that_of_the_arch_package_8_0(dataset: Any, column: str, expected: float) -> None:
    series = dataset.load_pandas().data[column].to_numpy(float)
    assert automatic_block_length(series) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.3, 0.6])
def test_of_an_autoregressive_series_it_is_near_what_theory_says(rho: float) -> None:
    n = 1000
    lengths = [automatic_block_length(column) for column in autoregressive(rho, n, 60, seed=5).T]
    theory = (2 * rho / (1 - rho**2)) ** (2 / 3) * n ** (1 / 3)
    assert float(np.mean(lengths)) == pytest.approx(theory, rel=0.2)


def test_of_noise_it_is_short() -> None:
    assert common_block_length(autoregressive(0.0, 500, 101, seed=1)) < 3


@pytest.mark.parametrize("series", [[], [0.01], [0.01, 0.01, 0.01], [0.0] * 100, [0.01, -0.01, 0.0]])
def test_a_series_that_does_not_vary_or_cancels_out_is_drawn_session_by_session(series: list[float]) -> None:
    assert automatic_block_length(np.array(series)) == 1


@given(arrays(np.float64, st.integers(2, 80), elements=st.floats(-0.5, 0.5)))
def test_it_is_never_shorter_than_a_session_or_longer_than_the_rule_allows(series: Floats) -> None:
    n = len(series)
    assert 1 <= automatic_block_length(series) <= math.ceil(min(3 * math.sqrt(n), n / 3))


def test_series_that_are_drawn_together_have_the_median_of_their_lengths() -> None:
    series = autoregressive(0.7, 200, 3, seed=2)
    lengths = sorted(automatic_block_length(column) for column in series.T)
    late = np.vstack([np.full((50, 3), np.nan), series])
    assert common_block_length(late) == common_block_length(series) == lengths[1]
    assert common_block_length(np.empty((10, 0))) == 1
