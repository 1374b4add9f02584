"""Market, model or luck: the analysis of variance against statsmodels, and against the truth of simulations."""

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from aitrader_pipeline.ranking.figures import Floats
from aitrader_pipeline.ranking.variance_split import ReplicaSpread, VarianceSplit, replica_spread, variance_split


def simulated(days: int, replicas: list[int], seed: int, *, model: float = 0.0005) -> tuple[Floats, list[int]]:
    """Deviations: market 0.01, model as given, model by day 0.006, replica 0.004."""
    rng = np.random.default_rng(seed)
    model_of = [m for m, k in enumerate(replicas) for _ in range(k)]
    m = len(replicas)
    cells = rng.normal(0, 0.01, (days, 1)) + rng.normal(0, model, (1, m)) + rng.normal(0, 0.006, (days, m))
    return cells[:, model_of] + rng.normal(0, 0.004, (days, len(model_of))), model_of


def test_components_are_those_of_the_mean_squares_of_statsmodels() -> None:
    days, models, replicas = 12, 4, 3
    returns, model_of = simulated(days, [replicas] * models, seed=1, model=0.01)
    long = pd.DataFrame(
        {
            "r": returns.ravel(),
            "day": np.repeat(np.arange(days), len(model_of)),
            "model": np.tile(model_of, days),
        }
    )
    table = anova_lm(ols("r ~ C(day) * C(model)", long).fit())
    square = table["sum_sq"] / table["df"]
    rest, error = square["C(day):C(model)"], square["Residual"]
    split = variance_split(returns, model_of)
    assert split.replica == pytest.approx(error, rel=1e-9)
    assert split.model_day == pytest.approx((rest - error) / replicas, rel=1e-9)
    assert split.model == pytest.approx((square["C(model)"] - rest) / replicas / days, rel=1e-9)
    assert split.market == pytest.approx((square["C(day)"] - rest) / replicas / models, rel=1e-9)
    assert split.clipped == ()
    assert sum(split.shares_pct.values()) == pytest.approx(100)


@pytest.mark.parametrize("replicas", [[4] * 10, [2, 8, 1, 3, 5, 4, 4, 2, 6, 1]])
def test_the_components_of_a_simulated_arena_are_found_again(replicas: list[int]) -> None:
    returns, model_of = simulated(3000, replicas, seed=7)
    split = variance_split(returns, model_of)
    assert split.market == pytest.approx(0.01**2, rel=0.08)
    assert split.model_day == pytest.approx(0.006**2, rel=0.05)
    assert split.replica == pytest.approx(0.004**2, rel=0.05)
    assert split.days == 3000


def test_days_that_a_portfolio_lacks_are_left_out_for_all() -> None:
    returns, model_of = simulated(40, [2, 2, 2], seed=3)
    expected = variance_split(returns[5:], model_of)
    returns[:5, 4] = math.nan
    assert variance_split(returns, model_of) == expected


def test_the_order_of_the_portfolios_and_the_models_numbers_are_nothing_to_it() -> None:
    returns, model_of = simulated(40, [2, 3, 2], seed=3)
    order = np.random.default_rng(0).permutation(7)
    names = np.array([50, 7, 12])
    shuffled = variance_split(returns[:, order], names[np.array(model_of)[order]].tolist())
    assert shuffled.shares_pct == pytest.approx(variance_split(returns, model_of).shares_pct)


def test_a_component_that_comes_out_below_zero_stands_as_zero_and_is_named() -> None:
    # Two replicas that do the opposite of each other: their mean never varies.
    luck = np.random.default_rng(2).normal(0, 0.01, 50)
    returns = np.column_stack([luck, -luck, -luck, luck])
    split = variance_split(returns, [0, 0, 1, 1])
    assert "model_day" in split.clipped
    assert split.model_day == 0
    assert split.shares_pct["replica"] == pytest.approx(100)


def test_without_replicas_their_luck_stays_with_what_the_models_decided() -> None:
    returns, _ = simulated(2000, [1] * 8, seed=5)
    split = variance_split(returns, list(range(8)))
    assert split.replica is None
    assert split.model_day == pytest.approx(0.006**2 + 0.004**2, rel=0.05)
    assert split.reason == "no model has replicas: their luck cannot be told from what the models decided"
    assert set(split.shares_pct) == {"market", "model", "model_day"}


@pytest.mark.parametrize(("days", "model_of"), [(0, [0, 1]), (1, [0, 1]), (10, [0, 0]), (10, [])])
def test_too_little_to_split_gets_a_reason(days: int, model_of: list[int]) -> None:
    split = variance_split(np.full((days, len(model_of)), 0.01), model_of)
    models = len(set(model_of))
    expected = f"{days} common days of {models} models: at least 2 of each are needed"
    assert split == VarianceSplit(None, None, None, None, {}, (), days, expected)


def test_an_arena_in_which_nothing_moves_has_nothing_to_share() -> None:
    split = variance_split(np.zeros((10, 4)), [0, 0, 1, 1])
    assert (split.market, split.replica, split.shares_pct) == (0, 0, {})


def test_replicas_have_a_mean_and_a_spread() -> None:
    assert replica_spread(np.array([1.0, 3.0, math.nan, 5.0])) == ReplicaSpread(3, 3.0, 2.0, 1.0, 5.0)
    assert replica_spread(np.array([4.0])) == ReplicaSpread(1, 4.0, None, 4.0, 4.0)
    assert replica_spread(np.array([math.nan])) == ReplicaSpread(0, None, None, None, None)
