"""What a Sharpe ratio is worth: the probability that it is real, also after the best of many was picked.

Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012), 3-44 (probabilistic
Sharpe ratio, minimum track record length), and "The deflated Sharpe ratio: correcting for selection bias, backtest
overfitting, and non-normality", Journal of Portfolio Management 40 (2014), 94-107. Sharpe ratios in here are of a
session, not annualised, unless a name says so.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from aitrader_pipeline.ranking.figures import SESSIONS_PER_YEAR, Floats, daily_risk_free, is_constant

_NORMAL = NormalDist()
_EULER_MASCHERONI = 0.5772156649015329
_NO_SHARPE = "its returns do not vary: a Sharpe ratio is undefined"


@dataclass(frozen=True)
class SharpeMoments:
    """What the inference needs to know of a series.

    Attributes:
        sessions: Length of the series.
        sharpe: Sharpe ratio of a session, from the sample deviation (over n - 1).
        skewness: Third standardised moment about the mean, `m3 / m2^(3/2)` with moments over n.
        kurtosis: Fourth, `m4 / m2^2`; 3 for a normal distribution.
    """

    sessions: int
    sharpe: float
    skewness: float
    kurtosis: float


@dataclass(frozen=True)
class SharpeInference:
    """What can be said of a model's Sharpe ratio; what is None has its reason.

    Attributes:
        sharpe_ratio: Annualised.
        probabilistic: Probability that the true ratio is above 0.
        deflated: Probability that it is above the best that as many models without skill are expected to show.
        deflation_threshold: That best ratio, annualised.
        min_track_record: Sessions needed for the probability above 0 to reach the level.
        reason: Why something is undefined.
    """

    sharpe_ratio: float | None
    probabilistic: float | None
    deflated: float | None
    deflation_threshold: float | None
    min_track_record: float | None
    reason: str | None = None


def infer_sharpes(returns: Floats, *, risk_free_rate: float = 0.0, level: float = 0.95) -> list[SharpeInference]:
    """Judge every model's Sharpe ratio, knowing that there are the others.

    Args:
        returns: Daily returns as fractions, shape `(sessions, models)`; NaN where a model has no such session. The
            columns are the trials of the deflation: all models that were tried, not the best of them only.
        risk_free_rate: Fraction a year, compounded daily.
        level: Probability that the minimum track record is to reach.

    Returns:
        One for each model, in the order of the columns.
    """
    excess = returns - daily_risk_free(risk_free_rate)
    moments = [sharpe_moments(column[np.isfinite(column)]) for column in excess.T]
    sharpes = [m.sharpe for m in moments if m]
    threshold = expected_best_sharpe(len(sharpes), float(np.var(sharpes, ddof=1))) if len(sharpes) > 1 else None
    return [judge_sharpe(m, threshold, level) for m in moments]


def judge_sharpe(moments: SharpeMoments | None, threshold: float | None, level: float) -> SharpeInference:
    """Judge one model's Sharpe ratio.

    Args:
        moments: Of its returns; None where they have no Sharpe ratio.
        threshold: What the best of the models tried would be expected to show, of a session; None without others.
        level: Probability that the minimum track record is to reach.
    """
    if moments is None:
        return SharpeInference(None, None, None, None, None, _NO_SHARPE)
    annual = math.sqrt(SESSIONS_PER_YEAR)
    reason = None if threshold is not None else "a single model: nothing was selected"
    if moments.sharpe <= 0:
        reason = "its Sharpe ratio is not above 0: no track record is long enough"
    if _variance(moments) <= 0:
        reason = "the variance of its Sharpe ratio is estimated as zero"
    return SharpeInference(
        sharpe_ratio=annual * moments.sharpe,
        probabilistic=probabilistic_sharpe(moments),
        deflated=None if threshold is None else probabilistic_sharpe(moments, threshold),
        deflation_threshold=None if threshold is None else annual * threshold,
        min_track_record=minimum_track_record(moments, level=level),
        reason=reason,
    )


def sharpe_moments(excess: Floats) -> SharpeMoments | None:
    """The moments of returns over the risk-free rate, shape `(sessions,)`; None if they do not vary."""
    n = len(excess)
    if n < 2:
        return None
    mean, deviation = excess.mean(), excess.std(ddof=1)
    if is_constant(deviation, mean):
        return None
    standardised = (excess - mean) / excess.std()
    return SharpeMoments(
        n, float(mean / deviation), float((standardised**3).mean()), float((standardised**4).mean())
    )


def probabilistic_sharpe(moments: SharpeMoments, threshold: float = 0.0) -> float | None:
    """Probability that the true Sharpe ratio is above a threshold (2012, equation 11).

    `Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1)/4 SR^2))`

    Args:
        moments: Of the series.
        threshold: Sharpe ratio of a session.

    Returns:
        A fraction; None where the variance of the estimate is not positive.
    """
    variance = _variance(moments)
    if variance <= 0:
        return None
    return _NORMAL.cdf((moments.sharpe - threshold) * math.sqrt((moments.sessions - 1) / variance))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """The Sharpe ratio that the best of several models without skill is expected to show (2014, equation 1).

    `sqrt(V) ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e)))` with the Euler-Mascheroni constant g.

    Args:
        trials: Number of independent models, N; at least 2. Models that trade alike count for fewer.
        variance: Variance of their Sharpe ratios of a session, V.

    Raises:
        ValueError: Fewer than two models.
    """
    if trials < 2:
        raise ValueError(f"the best of {trials} models is no selection; 2 are the fewest")
    quantiles = (_NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e)))
    return math.sqrt(variance) * ((1 - _EULER_MASCHERONI) * quantiles[0] + _EULER_MASCHERONI * quantiles[1])


def minimum_track_record(moments: SharpeMoments, threshold: float = 0.0, level: float = 0.95) -> float | None:
    """Sessions after which this Sharpe ratio would be above a threshold with the level (2012, equation 12).

    `1 + (1 - g3 SR + (g4 - 1)/4 SR^2) (Z / (SR - SR*))^2`

    Returns:
        Sessions; None where the ratio is not above the threshold: then no length is enough.
    """
    variance = _variance(moments)
    if moments.sharpe <= threshold or variance <= 0:
        return None
    return 1 + variance * (_NORMAL.inv_cdf(level) / (moments.sharpe - threshold)) ** 2


def _variance(moments: SharpeMoments) -> float:
    """Variance of the estimate of a Sharpe ratio, times n - 1."""
    return 1 - moments.skewness * moments.sharpe + (moments.kurtosis - 1) / 4 * moments.sharpe**2
