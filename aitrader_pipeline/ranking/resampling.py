"""Drawing sessions anew in blocks: the stationary bootstrap.

Politis and Romano, "The stationary bootstrap", Journal of the American Statistical Association 89 (1994),
1303-1313: blocks start anywhere, their lengths are geometric, and the series is joined end to start.
"""

import numpy as np

from aitrader_pipeline.ranking.figures import Floats, Ints

_AT_ONCE = 500


def stationary_indices(*, sessions: int, resamples: int, mean_block: float, seed: int) -> Ints:
    """Draw the sessions of every resample; all models of a panel are read at the same ones.

    Args:
        sessions: Length of the series.
        resamples: How many new series to draw.
        mean_block: Mean length of a block in sessions, at least 1; 1 draws each session by itself.
        seed: The same seed draws the same.

    Returns:
        Positions in the series, shape `(sessions, resamples)`: a resample is a column.

    Raises:
        ValueError: A block is shorter than a session, or there are no resamples.
    """
    if not mean_block >= 1:
        raise ValueError(f"a block of {mean_block} sessions is shorter than a session")
    if resamples < 1:
        raise ValueError(f"{resamples} resamples say nothing")
    rng = np.random.default_rng(seed)
    drawn = np.empty((sessions, resamples), dtype=np.int64)
    time = np.arange(sessions)
    # In batches, so that what is drawn on the way needs little memory beside the result.
    for first in range(0, resamples, _AT_ONCE):
        batch = min(_AT_ONCE, resamples - first)
        begins = rng.random((batch, sessions)) < 1 / mean_block
        starts = rng.integers(sessions, size=(batch, sessions)) if sessions else np.empty((batch, 0), np.int64)
        block_began = np.maximum.accumulate(np.where(begins, time, 0), axis=1)
        positions = np.take_along_axis(starts, block_began, axis=1) + time - block_began
        drawn[:, first : first + batch] = (positions % sessions).T if sessions else positions.T
    return drawn


def counts_of(indices: Ints) -> Floats:
    """How often each session was drawn in each resample; same shape as the positions."""
    sessions, resamples = indices.shape
    columns = indices * resamples + np.arange(resamples)
    return np.bincount(columns.ravel(), minlength=sessions * resamples).reshape(indices.shape).astype(np.float64)
