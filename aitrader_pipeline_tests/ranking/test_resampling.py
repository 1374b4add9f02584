"""How sessions are drawn: in blocks of geometric length, from anywhere, around the end."""

import numpy as np
import pytest

from aitrader_pipeline.ranking.resampling import counts_of, stationary_indices


@pytest.mark.parametrize("mean_block", [1.0, 4.0, 10.0])
def test_a_session_is_followed_by_the_next_as_often_as_the_mean_block_says(mean_block: float) -> None:
    n = 50
    drawn = stationary_indices(sessions=n, resamples=4000, mean_block=mean_block, seed=3)
    goes_on = (drawn[1:] == (drawn[:-1] + 1) % n).mean()
    # A new block may by chance begin where the last one would have gone on.
    assert goes_on == pytest.approx(1 - 1 / mean_block + 1 / mean_block / n, abs=0.005)


def test_every_session_is_drawn_as_often_as_any_other() -> None:
    drawn = stationary_indices(sessions=20, resamples=20_000, mean_block=5, seed=0)
    shares = np.bincount(drawn.ravel(), minlength=20) / drawn.size
    assert shares == pytest.approx(np.full(20, 1 / 20), abs=0.002)


def test_the_same_seed_draws_the_same_and_another_seed_something_else() -> None:
    first, again, other = (
        stationary_indices(sessions=30, resamples=1001, mean_block=3, seed=seed) for seed in (7, 7, 8)
    )
    assert first.shape == (30, 1001)
    assert (first == again).all()
    assert (first != other).any()


def test_counts_say_how_often_each_session_was_drawn() -> None:
    drawn = stationary_indices(sessions=13, resamples=40, mean_block=2.5, seed=1)
    expected = np.array([[(column == session).sum() for column in drawn.T] for session in range(13)])
    assert (counts_of(drawn) == expected).all()


@pytest.mark.parametrize("mean_block", [0.9, 0.0, float("nan")])
def test_a_block_is_at_least_a_session(mean_block: float) -> None:
    with pytest.raises(ValueError, match="shorter than a session"):
        stationary_indices(sessions=5, resamples=2, mean_block=mean_block, seed=0)


def test_there_is_at_least_one_resample() -> None:
    with pytest.raises(ValueError, match="0 resamples say nothing"):
        stationary_indices(sessions=5, resamples=0, mean_block=2, seed=0)


def test_of_no_sessions_none_are_drawn() -> None:
    assert counts_of(stationary_indices(sessions=0, resamples=3, mean_block=1, seed=0)).shape == (0, 3)
