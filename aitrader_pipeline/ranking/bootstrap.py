"""How sure the figures of the board are: the paired stationary block bootstrap.

Every resample reads all models at the same sessions, so that what they share (the market) is shared in the
resamples too. A session that a model does not have is passed over when it is drawn: a model's figures are of its
own sessions, a pair's of the sessions that both have. Total return is scaled to the model's number of sessions,
because a resample holds more or fewer of them; drawdown is that of the path as drawn.
"""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from aitrader_pipeline.ranking.block_length import common_block_length
from aitrader_pipeline.ranking.comparison import DEFINED_SHARE, Comparison, compare
from aitrader_pipeline.ranking.figures import MIN_SESSIONS, Bools, Floats, Ints, daily_risk_free, too_early
from aitrader_pipeline.ranking.panel import Draws, Figure, Panel, panel_of
from aitrader_pipeline.ranking.resampling import counts_of, stationary_indices

BANKRUPT = "lost all or more on a session: such returns cannot be resampled"
_NO_RETURNS = "no returns"
_TOO_LARGE = "beyond the largest number"
_TOO_STEADY = "its returns hardly vary: a Sharpe ratio is undefined"
_UNDEFINED = (_TOO_LARGE, _TOO_STEADY, _TOO_LARGE)
_AT_ONCE = 125


@dataclass(frozen=True)
class Resampling:
    """How to resample.

    Attributes:
        resamples: How many new series to draw.
        mean_block: Mean length of a block in sessions; None finds it from the series (`common_block_length`).
        seed: The same seed gives the same figures, whatever the order of the models.
        level: Share of the resamples inside an interval.
        min_sessions: Models with fewer sessions get no interval, pairs with fewer in common are not compared.
    """

    resamples: int = 10_000
    mean_block: float | None = None
    seed: int = 0
    level: float = 0.95
    min_sessions: int = MIN_SESSIONS


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval of its resamples, in the figure's unit; what is None has its reason.

    Attributes:
        value: The figure as observed.
        low: Lower end of the percentile interval (Efron 1979).
        high: Upper end.
        reason: Why the value or the interval is undefined.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None = None


@dataclass(frozen=True)
class ModelUncertainty:
    """The uncertain figures of one model over its own sessions."""

    sessions: int
    total_return_pct: Estimate
    sharpe_ratio: Estimate
    max_drawdown_pct: Estimate


@dataclass(frozen=True)
class Bootstrap:
    """What the resamples say: of each model, in the order of the columns, and of each pair."""

    mean_block: float
    models: tuple[ModelUncertainty, ...]
    by_return: Comparison
    by_sharpe: Comparison


def bootstrap(returns: Floats, resampling: Resampling, *, risk_free_rate: float = 0.0) -> Bootstrap:
    """Intervals of every model's figures, and who beats whom, on the same resamples.

    Args:
        returns: Daily returns of closing equity as fractions (0.01 is 1 %), shape `(sessions, models)`; NaN where
            a model has no such session. A model that ever returns -1 or less has no log returns: it gets a reason.
        resampling: How to resample.
        risk_free_rate: Fraction a year, compounded daily.

    Raises:
        ValueError: A return is infinite, a block is shorter than a session, or there are no resamples.
    """
    if np.isinf(returns).any():
        raise ValueError("a return is infinite")
    sessions = np.isfinite(returns).sum(axis=0)
    usable = ~(returns <= -1).any(axis=0) & (sessions > 0)
    rivals = usable & (sessions >= resampling.min_sessions)
    mean_block = resampling.mean_block
    if mean_block is None:
        mean_block = common_block_length(returns[:, usable])
    indices = stationary_indices(
        sessions=len(returns), resamples=resampling.resamples, mean_block=mean_block, seed=resampling.seed
    )
    panel = panel_of(returns, rivals=rivals, usable=usable, daily_risk_free=daily_risk_free(risk_free_rate))
    by_return, by_sharpe = (
        compare(Draws(panel, indices, figure), rivals=rivals, min_sessions=resampling.min_sessions)
        for figure in get_args(Figure)
    )
    return Bootstrap(mean_block, _models(panel, indices, sessions, usable, resampling), by_return, by_sharpe)


def max_drawdowns(logs: Floats, indices: Ints) -> Floats:
    """The largest fall from a peak on each resampled path, the start counted as a peak.

    The depth below the peak, in logs, is a walk that is held at zero: `d_t = max(d_(t-1) - g_t, 0)`.

    Args:
        logs: Log returns, shape `(sessions, models)`; 0 where a model has no such session.
        indices: Sessions in the order drawn, shape `(length, resamples)`.

    Returns:
        Fractions of the peak, shape `(resamples, models)`.
    """
    shape = (indices.shape[1], logs.shape[1])
    depth, deepest, growth = np.zeros(shape), np.zeros(shape), np.empty(shape)
    for drawn in indices:
        np.take(logs, drawn, axis=0, out=growth, mode="clip")
        np.subtract(depth, growth, out=depth)
        np.maximum(depth, 0, out=depth)
        np.maximum(deepest, depth, out=deepest)
    return -np.expm1(-deepest)


def _models(
    panel: Panel, indices: Ints, sessions: Ints, usable: Bools, resampling: Resampling
) -> tuple[ModelUncertainty, ...]:
    observed = _figures(panel, np.arange(len(indices))[:, None], sessions)
    resampled = _figures(panel, indices, sessions)
    models = []
    for m, n in enumerate(sessions.tolist()):
        missing = _NO_RETURNS if n == 0 else None if usable[m] else BANKRUPT
        early = too_early(n, resampling.min_sessions)
        estimates = [
            Estimate(None, None, None, missing)
            if missing
            else _estimate(value[m, 0], values[m][: 0 if early else None], early or undefined, resampling.level)
            for value, values, undefined in zip(observed, resampled, _UNDEFINED, strict=True)
        ]
        models.append(ModelUncertainty(n, *estimates))
    return tuple(models)


def _figures(panel: Panel, indices: Ints, sessions: Ints) -> tuple[Floats, Floats, Floats]:
    """Total return in percent, Sharpe ratio and drawdown in percent, each of shape `(models, resamples)`."""
    counts = counts_of(indices)
    with np.errstate(over="ignore"):
        total = 100 * np.expm1(panel.own(counts, "log_growth") * sessions[:, None])
    logs = np.ascontiguousarray(panel.logs.T)
    starts = range(0, indices.shape[1], _AT_ONCE)
    drawdowns = [max_drawdowns(logs, indices[:, start : start + _AT_ONCE]) for start in starts]
    return total, panel.own(counts, "sharpe"), 100 * np.concatenate(drawdowns).T


def _estimate(value: float, resampled: Floats, otherwise: str, level: float) -> Estimate:
    """The estimate of a figure, with the reason where there is none."""
    if not math.isfinite(value):
        return Estimate(None, None, None, otherwise)
    defined = resampled[np.isfinite(resampled)]
    if not len(defined) or len(defined) < DEFINED_SHARE * len(resampled):
        return Estimate(float(value), None, None, otherwise)
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))
