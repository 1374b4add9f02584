"""Where a model stands among random traders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.ranking.null_distribution import NullStanding, standing_among_random


def test_a_model_above_all_random_traders_is_still_not_certain() -> None:
    standing = standing_among_random(5.0, np.arange(99) / 100)
    assert standing == NullStanding(percentile=99.5, p_value=0.01, traders=99)


def test_a_model_below_all_of_them_has_a_p_value_of_one() -> None:
    standing = standing_among_random(-1.0, np.arange(99) / 100)
    assert standing.p_value == 1
    assert standing.percentile == pytest.approx(0.5)


def test_equals_count_as_doing_as_well_and_as_half_of_those_below() -> None:
    standing = standing_among_random(2.0, np.array([1.0, 2.0, 2.0, 3.0]))
    assert standing.p_value == pytest.approx((1 + 3) / 5)
    assert standing.percentile == pytest.approx(50)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40, unique=True))
def test_among_its_like_every_p_value_is_as_likely_as_any_other(company: list[float]) -> None:
    ranks = [standing_among_random(own, np.array([c for c in company if c != own])) for own in company]
    n = len(company)
    assert sorted(r.p_value or 0 for r in ranks) == pytest.approx([(k + 1) / n for k in range(n)])
    assert sum(r.percentile or 0 for r in ranks) / n == pytest.approx(50)


def test_random_traders_without_the_figure_are_left_out() -> None:
    assert standing_among_random(1.0, np.array([np.nan, 0.0, 2.0])).traders == 2


@pytest.mark.parametrize("figure", [None, float("nan"), float("inf")])
def test_an_undefined_figure_stands_nowhere(figure: float | None) -> None:
    expected = NullStanding(None, None, 2, "the figure is undefined for this model")
    assert standing_among_random(figure, np.array([1.0, 2.0])) == expected


def test_without_random_traders_there_is_nothing_to_stand_among() -> None:
    standing = standing_among_random(1.0, np.array([np.nan]))
    assert (standing.percentile, standing.p_value, standing.traders) == (None, None, 0)
    assert standing.reason == "there are no random traders to compare with"
