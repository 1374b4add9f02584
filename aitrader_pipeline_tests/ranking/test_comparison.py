"""Who beats whom: against slow loops, ties, unequal lengths, and how often equal models are called different."""

import math

import numpy as np
import pytest

from aitrader_pipeline.ranking.bootstrap import Resampling, bootstrap
from aitrader_pipeline.ranking.comparison import Comparison
from aitrader_pipeline.ranking.figures import Floats
from aitrader_pipeline.ranking.resampling import stationary_indices

NAN = math.nan
RESAMPLES = 250


def board(sessions: int, means: list[float], seed: int, deviation: float = 0.01) -> Floats:
    rng = np.random.default_rng(seed)
    market = rng.normal(0, 0.01, (sessions, 1))
    return np.asarray(market + rng.normal(0, deviation, (sessions, len(means))) + np.array(means))


def difference(returns: Floats, days: np.ndarray, by: str) -> float:
    """First less second on the drawn days that both have, by hand."""
    both = returns[days]
    both = both[np.isfinite(both).all(axis=1)]
    if by == "return":
        return float(np.log1p(both[:, 0]).mean() - np.log1p(both[:, 1]).mean())
    sharpe = both.mean(axis=0) / both.std(axis=0, ddof=1) * math.sqrt(252)
    return float(sharpe[0] - sharpe[1])


def compared(returns: Floats, by: str, min_sessions: int = 20) -> Comparison:
    resampling = Resampling(resamples=RESAMPLES, mean_block=2.0, seed=5, min_sessions=min_sessions)
    result = bootstrap(returns, resampling)
    return result.by_return if by == "return" else result.by_sharpe


@pytest.mark.parametrize("by", ["return", "sharpe"])
def test_probabilities_are_those_of_slow_loops_over_the_same_sessions(by: str) -> None:
    returns = board(70, [0.0, 0.001, 0.003, 0.0005], seed=3)
    returns[:30, 1] = NAN
    returns[60:, 3] = NAN
    result = compared(returns, by)
    drawn = stationary_indices(sessions=70, resamples=RESAMPLES, mean_block=2.0, seed=5)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    observed = np.array([difference(returns[:, pair], np.arange(70), by) for pair in pairs])
    resampled = np.array([[difference(returns[:, pair], days, by) for days in drawn.T] for pair in pairs])
    spread = resampled.std(axis=1)
    expected = naive_stepdown(np.abs(observed) / spread, np.abs(resampled - observed[:, None]) / spread[:, None])
    for (i, j), wins, adjusted in zip(pairs, (resampled > 0).mean(axis=1), expected, strict=True):
        assert result.p_beats[i, j] == pytest.approx(wins)
        assert result.p_beats[j, i] == pytest.approx(1 - wins)
        assert result.p_adjusted[i, j] == result.p_adjusted[j, i] == pytest.approx(adjusted)
        assert result.sessions[i, j] == np.isfinite(returns[:, [i, j]]).all(axis=1).sum()
    common = np.flatnonzero(np.isfinite(returns).all(axis=1))
    assert result.best_sessions == len(common) == 30


def naive_stepdown(observed: Floats, resampled: Floats) -> Floats:
    """Romano and Wolf (2016): the largest statistic first, each against the largest of those that remain."""
    adjusted = np.zeros(len(observed))
    before = 0.0
    remaining = list(np.argsort(-observed))
    while remaining:
        largest = resampled[remaining].max(axis=0)
        p = (1 + (largest >= observed[remaining[0]]).sum()) / (1 + resampled.shape[1])
        before = max(before, p)
        adjusted[remaining.pop(0)] = before
    return adjusted


@pytest.mark.parametrize("by", ["return", "sharpe"])
def test_the_probability_of_being_best_counts_the_wins_on_the_sessions_of_all(by: str) -> None:
    returns = board(60, [0.0, 0.001, 0.002], seed=8)
    returns[:20, 0] = NAN
    drawn = stationary_indices(sessions=60, resamples=RESAMPLES, mean_block=2.0, seed=5)
    wins = np.zeros(3)
    for days in drawn.T:
        kept = returns[days[days >= 20]]
        sharpe = kept.mean(axis=0) / kept.std(axis=0, ddof=1)
        wins[np.argmax(np.log1p(kept).sum(axis=0) if by == "return" else sharpe)] += 1
    result = compared(returns, by)
    assert result.p_best == pytest.approx(wins / RESAMPLES)
    assert result.best_sessions == 40


def test_models_that_did_the_same_are_tied_for_certain() -> None:
    returns = board(40, [0.0, 0.0], seed=1)
    returns = np.column_stack([returns, returns[:, 0]])
    for by in ("return", "sharpe"):
        result = compared(returns, by)
        assert result.p_beats[0, 2] == result.p_beats[2, 0] == 0.5
        assert result.p_adjusted[0, 2] == 1
        assert result.p_best[0] == pytest.approx(result.p_best[2])
        assert result.p_best.sum() == pytest.approx(1)


def test_a_sure_thing_beats_a_lesser_sure_thing() -> None:
    result = compared(np.column_stack([np.full(30, 0.002), np.full(30, 0.001)]), "return")
    assert result.p_beats[0, 1] == 1
    assert result.p_best.tolist() == [1, 0]
    assert result.p_adjusted[0, 1] == pytest.approx(1 / (1 + RESAMPLES))


def test_cash_is_compared_by_return_but_has_no_sharpe_to_compare() -> None:
    returns = np.column_stack([board(40, [0.0, 0.001], seed=1), np.zeros(40)])
    assert np.isfinite(compared(returns, "return").p_beats[2, :2]).all()
    by_sharpe = compared(returns, "sharpe")
    assert np.isnan(by_sharpe.p_beats[2]).all()
    assert np.isnan(by_sharpe.p_best[2])
    assert by_sharpe.p_best[:2].sum() == pytest.approx(1)


def test_a_sharpe_ratio_that_most_resamples_leave_undefined_is_not_compared() -> None:
    returns = board(40, [0.0, 0.001], seed=1)
    returns[:, 1] = 0
    returns[7, 1] = 0.05
    assert np.isnan(compared(returns, "sharpe").p_beats[0, 1])


def test_nobody_is_best_where_all_have_too_few_sessions_in_common() -> None:
    returns = board(60, [0.0, 0.001], seed=2)
    returns[:25, 0] = NAN
    returns[40:, 1] = NAN
    result = compared(returns, "return")
    assert result.sessions.tolist() == [[35, 15], [15, 40]]
    assert result.best_sessions == 15
    assert np.isnan(result.p_best).all()
    assert np.isnan(result.p_beats).all()


def test_many_sets_of_sessions_taken_in_parts_give_what_they_give_at_once() -> None:
    returns = board(80, [0.0] * 58, seed=4)
    for model in range(58):
        returns[:model, model] = NAN
    result = bootstrap(returns, Resampling(resamples=5_000, mean_block=2.0))
    drawn = stationary_indices(sessions=80, resamples=5_000, mean_block=2.0, seed=0)
    wins = [difference(returns[:, [10, 57]], days, "return") > 0 for days in drawn.T]
    assert result.by_return.p_beats[10, 57] == pytest.approx(np.mean(wins))


def test_equal_models_are_rarely_called_different_however_many_pairs_there_are() -> None:
    false_alarms = 0
    for seed in range(150):
        returns = board(150, [0.0] * 8, seed=seed)
        p = bootstrap(returns, Resampling(resamples=200, mean_block=1.0)).by_return.p_adjusted
        false_alarms += bool(np.nanmin(p) <= 0.05)
    assert false_alarms <= 150 * 0.1


def test_a_model_that_is_much_better_is_told_apart_from_all_others() -> None:
    returns = board(250, [0.0, 0.0, 0.0, 0.005], seed=12)
    result = compared(returns, "return")
    assert (result.p_adjusted[3, :3] < 0.01).all()
    assert (result.p_adjusted[0, 1:3] > 0.05).all()
    assert result.p_best[3] == 1
