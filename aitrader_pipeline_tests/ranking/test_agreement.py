"""Whether models decide alike: kappa against statsmodels and by hand, divergences against slow loops."""

import math

import numpy as np
import pytest
from statsmodels.stats import inter_rater

from aitrader_pipeline.ranking.agreement import BUY, HOLD, SELL, cohen_kappas, divergences, fleiss_kappa
from aitrader_pipeline.ranking.figures import Floats

NAN = math.nan


def decisions(items: int, models: int, seed: int, missing: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    leaning = rng.choice([BUY, HOLD, SELL], size=(items, 1))
    own = rng.choice([BUY, HOLD, SELL], size=(items, models), p=[0.5, 0.3, 0.2])
    chosen = np.where(rng.random((items, models)) < 0.4, leaning, own)
    return np.where(rng.random((items, models)) < missing, NAN, chosen)


def test_the_textbook_example_of_two_readers_of_fifty_proposals() -> None:
    table = {(BUY, BUY): 20, (BUY, SELL): 5, (SELL, BUY): 10, (SELL, SELL): 15}
    both = np.array([pair for pair, count in table.items() for _ in range(count)])
    agreement = cohen_kappas(both)
    assert agreement.observed[0, 1] == pytest.approx(0.7)
    assert agreement.kappa[0, 1] == pytest.approx(0.4)
    assert agreement.items[0, 1] == 50


def test_kappa_of_every_pair_is_that_of_statsmodels_on_their_common_items() -> None:
    made = decisions(200, 5, seed=1, missing=0.2)
    agreement = cohen_kappas(made)
    for i in range(5):
        for j in range(5):
            both = made[np.isfinite(made[:, [i, j]]).all(axis=1)][:, [i, j]].astype(int) + 1
            table = np.zeros((3, 3))
            np.add.at(table, (both[:, 0], both[:, 1]), 1)
            assert agreement.items[i, j] == len(both)
            assert agreement.kappa[i, j] == pytest.approx(inter_rater.cohens_kappa(table).kappa)


def test_kappa_is_undefined_without_common_items_or_without_any_choice() -> None:
    agreement = cohen_kappas(np.array([[BUY, NAN, BUY], [NAN, SELL, BUY]]))
    assert agreement.items[0, 1] == 0
    assert np.isnan(agreement.kappa[0, 1])
    assert np.isnan(agreement.observed[0, 1])
    assert agreement.observed[0, 2] == 1
    assert np.isnan(agreement.kappa[0, 2])


def test_models_that_always_do_the_opposite_agree_less_than_by_chance() -> None:
    assert cohen_kappas(np.array([[BUY, SELL], [SELL, BUY]] * 10)).kappa[0, 1] == pytest.approx(-1)


def test_fleiss_kappa_is_that_of_statsmodels() -> None:
    made = decisions(120, 6, seed=3)
    table, _ = inter_rater.aggregate_raters(made.astype(int))
    result = fleiss_kappa(made)
    assert result.value == pytest.approx(inter_rater.fleiss_kappa(table))
    assert result.items == 120


def test_fleiss_kappa_leaves_out_what_fewer_than_two_models_decided() -> None:
    made = decisions(50, 4, seed=3)
    lonely = np.array([[BUY, NAN, NAN, NAN], [NAN] * 4])
    assert fleiss_kappa(np.vstack([made, lonely])) == fleiss_kappa(made)


def test_of_items_with_different_numbers_of_models_each_counts_alike() -> None:
    made = np.array([[BUY, BUY, BUY], [BUY, SELL, NAN]])
    # Agreement 1 and 0; four of five decisions buy.
    by_chance = 0.8**2 + 0.2**2
    result = fleiss_kappa(made)
    assert result.observed == pytest.approx(0.5)
    assert result.value == pytest.approx((0.5 - by_chance) / (1 - by_chance))


def test_fleiss_kappa_says_why_it_is_undefined() -> None:
    assert fleiss_kappa(np.array([[BUY, NAN]])).reason == "no two models decided on the same item"
    same = fleiss_kappa(np.full((5, 3), HOLD))
    assert (same.value, same.observed) == (None, 1.0)
    assert same.reason == "all decisions are the same: agreement by chance is certain"


def test_divergences_are_those_of_slow_loops() -> None:
    made = decisions(80, 4, seed=2, missing=0.15)
    forward = np.random.default_rng(3).normal(0, 0.02, (80, 3))
    forward[60:, 2] = NAN
    result = divergences(made, forward)
    assert result.side_return.shape == (3, 4, 4)
    for i in range(4):
        for j in range(4):
            parted = [k for k in range(80) if not np.isnan(made[k, [i, j]]).any() and made[k, i] != made[k, j]]
            assert result.diverging[i, j] == len(parted)
            for horizon in range(3):
                sides = [made[k, i] * forward[k, horizon] for k in parted if np.isfinite(forward[k, horizon])]
                expected = np.mean(sides) if sides else NAN
                assert result.side_return[horizon, i, j] == pytest.approx(expected, nan_ok=True)


def test_each_side_of_a_divergence_has_its_own_return() -> None:
    made = np.array([[BUY, SELL, HOLD], [HOLD, HOLD, HOLD]])
    result = divergences(made, np.array([[0.03], [0.5]]))
    assert result.diverging.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert result.side_return[0, 0, 1] == pytest.approx(0.03)
    assert result.side_return[0, 1, 0] == pytest.approx(-0.03)
    assert result.side_return[0, 2, 0] == 0
    assert np.isnan(result.side_return[0, 0, 0])


def test_without_decisions_nothing_parts() -> None:
    assert divergences(np.empty((0, 2)), np.empty((0, 3))).diverging.sum() == 0
    assert divergences(np.full((2, 2), BUY), np.empty((2, 0))).side_return.shape == (0, 2, 2)
