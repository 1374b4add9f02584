"""Intervals of the board's figures: against slow loops, against the truth of simulated series, at the edges."""

import math

import numpy as np
import pytest

from aitrader_pipeline.ranking.bootstrap import BANKRUPT, Estimate, Resampling, bootstrap, max_drawdowns
from aitrader_pipeline.ranking.figures import Floats
from aitrader_pipeline.ranking.resampling import stationary_indices

NAN = math.nan


def boards(sessions: int, models: int, seed: int, *, deviation: float = 0.01) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.normal(0.0005, deviation, (sessions, models)) + rng.normal(0, 0.008, (sessions, 1))


def naive_figures(returns: Floats) -> tuple[float, float, float]:
    """Mean log return, Sharpe ratio and drawdown in percent of a path, session by session."""
    equity, peak, fall = 1.0, 1.0, 0.0
    for value in returns:
        equity *= 1 + value
        peak = max(peak, equity)
        fall = max(fall, (peak - equity) / peak)
    return math.log(equity) / len(returns), returns.mean() / returns.std(ddof=1) * math.sqrt(252), 100 * fall


def test_intervals_are_those_of_slow_loops_over_the_same_sessions() -> None:
    returns = boards(60, 3, seed=1)
    returns[:25, 1] = NAN
    returns[40:43, 2] = NAN
    resampling = Resampling(resamples=300, mean_block=3.0, seed=4, level=0.9)
    result = bootstrap(returns, resampling)
    drawn = stationary_indices(sessions=60, resamples=300, mean_block=3.0, seed=4)
    for column, model in zip(returns.T, result.models, strict=True):
        own = column[np.isfinite(column)]
        growth, sharpe, fall = naive_figures(own)
        assert model.sessions == len(own)
        observed = [100 * math.expm1(growth * len(own)), sharpe, fall]
        paths = [naive_figures(column[days][np.isfinite(column[days])]) for days in drawn.T]
        resampled = np.array([(100 * math.expm1(g * len(own)), s, f) for g, s, f in paths])
        low, high = np.quantile(resampled, [0.05, 0.95], axis=0)
        estimates = [model.total_return_pct, model.sharpe_ratio, model.max_drawdown_pct]
        assert [e.value for e in estimates] == pytest.approx(observed, rel=1e-9)
        assert [e.low for e in estimates] == pytest.approx(low, rel=1e-9)
        assert [e.high for e in estimates] == pytest.approx(high, rel=1e-9)


def test_the_figures_as_observed_are_the_golden_ones_of_the_specification() -> None:
    equity = np.array([100000, 101000, 100500, 102000, 101500, 103000.0])
    returns = (equity[1:] / equity[:-1] - 1)[:, None]
    model = bootstrap(returns, Resampling(resamples=10, min_sessions=2)).models[0]
    assert model.total_return_pct.value == pytest.approx(3.0)
    assert model.sharpe_ratio.value == pytest.approx(9.34430, abs=5e-6)
    assert model.max_drawdown_pct.value == pytest.approx(0.49505, abs=5e-6)
    golden = np.array([[0.01], [-0.005], [0.015], [-0.005], [0.015]])
    # 5 % / 252 a day is what this annual rate compounds to.
    rate = (1 + 0.05 / 252) ** 252 - 1
    with_rate = bootstrap(golden, Resampling(resamples=10, min_sessions=2), risk_free_rate=rate).models[0]
    assert with_rate.sharpe_ratio.value == pytest.approx(8.98778, abs=5e-6)


@pytest.mark.parametrize("serial", [0.0, 0.3])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(serial: float) -> None:
    n, models, mean, deviation = 250, 400, 0.001, 0.01
    noise = np.random.default_rng(11).normal(0, deviation, (n + 50, models))
    returns = noise.copy()
    for t in range(1, len(returns)):
        returns[t] = serial * returns[t - 1] + noise[t]
    returns = returns[50:] + mean
    sharpe = mean / (deviation / math.sqrt(1 - serial**2)) * math.sqrt(252)
    # Of log returns: the mean less half the variance, to the second order.
    growth = n * (math.log1p(mean) - deviation**2 / (1 - serial**2) / 2)
    result = bootstrap(returns, Resampling(resamples=600, level=0.9, mean_block=8.0 if serial else None))
    by_sharpe = [_within(m.sharpe_ratio, sharpe) for m in result.models]
    by_return = [_within(m.total_return_pct, 100 * math.expm1(growth)) for m in result.models]
    assert 0.84 <= np.mean(by_sharpe) <= 0.94
    assert 0.84 <= np.mean(by_return) <= 0.94


def test_blocks_of_one_session_miss_the_truth_of_a_series_that_drifts() -> None:
    noise = np.random.default_rng(3).normal(0, 0.01, (300, 300))
    returns = noise.copy()
    for t in range(1, 300):
        returns[t] = 0.5 * returns[t - 1] + noise[t]
    returns = returns[50:]
    held = {}
    for mean_block in (1.0, 12.0):
        models = bootstrap(returns, Resampling(resamples=500, level=0.9, mean_block=mean_block)).models
        held[mean_block] = np.mean([_within(m.sharpe_ratio, 0.0) for m in models])
    assert held[1.0] < 0.75 < 0.8 < held[12.0]


def _within(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_the_order_of_the_models_changes_nothing() -> None:
    returns = boards(80, 6, seed=9)
    returns[:30, 2] = NAN
    returns[:, 5] = returns[:, 4]
    order = [3, 5, 0, 2, 4, 1]
    plain, shuffled = (bootstrap(r, Resampling(resamples=400)) for r in (returns, returns[:, order]))
    assert shuffled.mean_block == plain.mean_block
    for position, model in enumerate(order):
        for name in ("total_return_pct", "sharpe_ratio", "max_drawdown_pct"):
            there, here = getattr(shuffled.models[position], name), getattr(plain.models[model], name)
            assert (there.value, there.low, there.high) == pytest.approx(
                (here.value, here.low, here.high), rel=1e-9
            )
    for there, here in ((shuffled.by_return, plain.by_return), (shuffled.by_sharpe, plain.by_sharpe)):
        np.testing.assert_allclose(there.p_beats, here.p_beats[np.ix_(order, order)], atol=1e-12)
        np.testing.assert_array_equal(there.p_adjusted, here.p_adjusted[np.ix_(order, order)])
        np.testing.assert_allclose(there.p_best, here.p_best[order], rtol=1e-12)


def test_a_seed_gives_the_same_figures_again_and_another_seed_others() -> None:
    returns = boards(40, 2, seed=0)
    first, again, other = (bootstrap(returns, Resampling(resamples=200, seed=seed)).models for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_another_model_on_the_board_leaves_a_models_intervals_alone() -> None:
    returns = boards(50, 3, seed=6)
    alone, together = (bootstrap(r, Resampling(resamples=200, mean_block=2)) for r in (returns[:, :1], returns))
    assert alone.models[0].sharpe_ratio.low == pytest.approx(together.models[0].sharpe_ratio.low, rel=1e-9)


@pytest.mark.parametrize("worst", [-1.0, -1.5])
def test_a_bankrupt_model_gets_a_reason_and_nobody_else_is_hurt(worst: float) -> None:
    returns = boards(60, 3, seed=2)
    healthy = bootstrap(returns[:, [0, 2]], Resampling(resamples=100, mean_block=2))
    returns[30, 1] = worst
    result = bootstrap(returns, Resampling(resamples=100, mean_block=2))
    nothing = Estimate(None, None, None, BANKRUPT)
    bankrupt = result.models[1]
    assert bankrupt.total_return_pct == bankrupt.sharpe_ratio == bankrupt.max_drawdown_pct == nothing
    assert result.by_return.p_beats[0, 2] == healthy.by_return.p_beats[0, 1]
    assert result.by_return.p_best[[0, 2]] == pytest.approx(healthy.by_return.p_best)
    assert np.isnan(result.by_return.p_beats[1]).all()
    assert np.isnan(result.by_return.p_best[1])


def test_a_series_without_change_has_a_return_and_a_drawdown_of_zero_but_no_sharpe() -> None:
    returns = np.column_stack([np.zeros(30), np.full(30, 0.1), boards(30, 1, seed=1)[:, 0]])
    cash, steady, _ = bootstrap(returns, Resampling(resamples=100)).models
    assert cash.total_return_pct == cash.max_drawdown_pct == Estimate(0.0, 0.0, 0.0)
    assert steady.total_return_pct.low == pytest.approx(100 * (1.1**30 - 1))
    assert steady.max_drawdown_pct == Estimate(0.0, 0.0, 0.0)
    for model in (cash, steady):
        assert model.sharpe_ratio.value is None
        assert "hardly vary" in str(model.sharpe_ratio.reason)


def test_one_trade_in_a_year_is_too_little_for_an_interval_of_the_sharpe_ratio() -> None:
    returns = np.zeros((250, 1))
    returns[100] = 0.02
    sharpe = bootstrap(returns, Resampling(resamples=300)).models[0].sharpe_ratio
    assert sharpe.value == pytest.approx(math.sqrt(252 / 250))
    assert sharpe.low is sharpe.high is None
    assert "hardly vary" in str(sharpe.reason)


def test_the_rounding_left_of_a_single_jump_is_no_deviation() -> None:
    jumps = np.zeros((30, 40))
    jumps[12] = np.linspace(0.1, 0.9, 40)
    for model in bootstrap(jumps, Resampling(resamples=100)).models:
        assert model.sharpe_ratio.value is not None
        assert model.sharpe_ratio.low is None


def test_a_short_series_has_its_figures_but_no_interval_yet() -> None:
    returns = boards(25, 2, seed=4)
    returns[:10, 1] = NAN
    result = bootstrap(returns, Resampling(resamples=50, min_sessions=20))
    long, short = (m.total_return_pct for m in result.models)
    assert long.low is not None
    assert short.value is not None
    assert short.low is short.high is None
    assert short.reason == "too early: 15 sessions, 20 are needed"
    assert np.isnan(result.by_return.p_beats).all()
    assert result.by_return.p_best[0] == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (30, 0), (1, 3)])
def test_hardly_any_data_raises_nothing(shape: tuple[int, int]) -> None:
    result = bootstrap(np.full(shape, 0.01), Resampling(resamples=20))
    assert len(result.models) == shape[1]
    assert all(m.total_return_pct.low is None for m in result.models)
    assert result.by_return.p_best.shape == (shape[1],)


def test_a_model_without_returns_says_so() -> None:
    returns = np.column_stack([boards(30, 1, seed=1)[:, 0], np.full(30, NAN)])
    assert bootstrap(returns, Resampling(resamples=20)).models[1].max_drawdown_pct.reason == "no returns"


def test_growth_beyond_all_numbers_is_undefined_instead_of_infinite() -> None:
    returns = np.full((400, 1), 9.0)
    returns[::2] = 8.0
    total = bootstrap(returns, Resampling(resamples=20)).models[0].total_return_pct
    assert (total.value, total.low, total.high) == (None, None, None)
    assert total.reason == "beyond the largest number"


def test_an_infinite_return_is_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        bootstrap(np.array([[0.01], [math.inf]]), Resampling())


def test_a_block_length_of_zero_is_refused_instead_of_replaced() -> None:
    with pytest.raises(ValueError, match="shorter than a session"):
        bootstrap(boards(30, 2, seed=1), Resampling(mean_block=0.0))


def test_drawdown_counts_the_start_as_a_peak_and_takes_the_deepest_in_percent() -> None:
    logs = np.log(np.array([[0.5], [20.0], [0.9]]))
    assert max_drawdowns(logs, np.arange(3)[:, None]) == pytest.approx(0.5)
