"""How long the blocks of a stationary bootstrap should be, found from the series themselves.

Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004),
53-70, with the constants of the correction by Patton, Politis and White, Econometric Reviews 28 (2009), 372-375.
"""

import math

import numpy as np

from aitrader_pipeline.ranking.figures import Floats

_SIGNIFICANT = 2.0


def automatic_block_length(series: Floats) -> float:
    """The mean block length that is best for the variance of a series' mean.

    `b = (2 G^2 / D)^(1/3) * n^(1/3)` with `D = 2 g(0)^2`, where `g(0)` is the flat-top estimate of the sum of the
    autocovariances and `G` that of their sum weighted by the distance of the lag.

    Args:
        series: Values of consecutive sessions, shape `(n,)`, all finite.

    Returns:
        Sessions, at least 1 and at most `ceil(min(3 sqrt(n), n / 3))`; 1 for a series that does not vary.
    """
    n = len(series)
    deviations = series - series.mean() if n else series
    if n < 2 or np.ptp(deviations) < 1e-12:
        return 1.0
    in_a_row = max(5, math.ceil(math.sqrt(math.log10(n))))
    longest_lag = min(math.ceil(math.sqrt(n)) + in_a_row, n - 1)
    covariances = np.array([deviations[lag:] @ deviations[: n - lag] / n for lag in range(longest_lag + 1)])
    bandwidth = min(2 * max(_last_significant_lag(covariances, n, in_a_row), 1), longest_lag)
    lags = np.arange(1, bandwidth + 1)
    flat_top = np.clip(2 * (1 - lags / bandwidth), 0, 1)
    weighted = 2 * flat_top * covariances[1 : bandwidth + 1]
    long_run = covariances[0] + weighted.sum()
    if long_run == 0:
        return 1.0
    best = ((lags * weighted).sum() / long_run) ** 2
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    return float(min(max((best * n) ** (1 / 3), 1.0), longest))


def common_block_length(returns: Floats) -> float:
    """One mean block length for series that are resampled together: the median of their own.

    Args:
        returns: Shape `(sessions, models)`; NaN where a model has no such session.

    Returns:
        Sessions, at least 1.
    """
    lengths = [automatic_block_length(column[np.isfinite(column)]) for column in returns.T]
    return float(np.median(lengths)) if lengths else 1.0


def _last_significant_lag(covariances: Floats, n: int, in_a_row: int) -> int:
    """The lag after which the next ones are all insignificant; the largest significant one if there is none."""
    threshold = _SIGNIFICANT * math.sqrt(math.log10(n) / n)
    significant = np.flatnonzero(np.abs(covariances[1:] / covariances[0]) >= threshold) + 1
    last = 0
    for lag in significant:
        if lag - last > in_a_row:
            break
        last = int(lag)
    return last
