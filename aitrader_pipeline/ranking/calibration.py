"""Whether stated confidence is worth anything: of calls made with 70 % confidence, do 70 % come true?"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from aitrader_pipeline.ranking.figures import Floats


@dataclass(frozen=True)
class Bucket:
    """Calls of about the same confidence.

    Attributes:
        low: Confidence from, in percent, included.
        high: Confidence to, in percent, excluded but for 100.
        calls: How many.
        mean_confidence: In percent.
        hit_rate_pct: Share of them that came true.
        hit_rate_low_pct: Lower end of the Wilson interval of that share.
        hit_rate_high_pct: Upper end.
    """

    low: float
    high: float
    calls: int
    mean_confidence: float
    hit_rate_pct: float
    hit_rate_low_pct: float
    hit_rate_high_pct: float


@dataclass(frozen=True)
class Calibration:
    """The Brier score of a model's calls and its parts: `brier = reliability - resolution + uncertainty`.

    Attributes:
        calls: How many calls with a stated confidence and a known outcome.
        brier: Mean squared error of the stated probability; 0 is perfect, 0.25 is what a constant 50 % gets.
        reliability: What is lost because stated and realised frequencies differ; 0 is perfect.
        resolution: What is won by telling likely calls from unlikely ones.
        uncertainty: Variance of the outcomes: the score of somebody who knows their frequency only.
        skill: `1 - brier / uncertainty`; None where all outcomes are the same.
        buckets: Reliability by confidence; buckets without calls are left out.
        reason: Why the figures are None.
    """

    calls: int
    brier: float | None
    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    skill: float | None
    buckets: tuple[Bucket, ...] = ()
    reason: str | None = None


def calibrate(confidence: Floats, came_true: Floats, *, buckets: int = 10, level: float = 0.95) -> Calibration:
    """Score stated confidences by what became of the calls.

    Brier, Monthly Weather Review 78 (1950), 1-3; decomposition of Murphy, "A new vector partition of the
    probability score", Journal of Applied Meteorology 12 (1973), 595-600, over the distinct confidences that were
    stated, where it is exact. With few calls of each, reliability and resolution are both too large by chance.

    Args:
        confidence: Percent, 0 to 100, shape `(calls,)`; NaN where none was stated.
        came_true: 1 or 0, same shape; NaN where it is not known yet.
        buckets: How many buckets of equal width.
        level: Of the Wilson intervals.

    Raises:
        ValueError: A confidence outside 0 to 100.
    """
    known = np.isfinite(confidence) & np.isfinite(came_true)
    stated, outcome = confidence[known], came_true[known]
    if not len(stated):
        return Calibration(0, None, None, None, None, None, reason="no call with a confidence and a known outcome")
    if stated.min() < 0 or stated.max() > 100:
        raise ValueError(f"confidence is from 0 to 100 percent, not {stated.min():g} to {stated.max():g}")
    forecast = stated / 100
    base_rate = outcome.mean()
    distinct, which = np.unique(forecast, return_inverse=True)
    calls = np.bincount(which)
    frequency = np.bincount(which, weights=outcome) / calls
    brier = float(((forecast - outcome) ** 2).mean())
    uncertainty = float(base_rate * (1 - base_rate))
    return Calibration(
        calls=len(stated),
        brier=brier,
        reliability=float(calls @ (distinct - frequency) ** 2 / len(stated)),
        resolution=float(calls @ (frequency - base_rate) ** 2 / len(stated)),
        uncertainty=uncertainty,
        skill=1 - brier / uncertainty if uncertainty > 0 else None,
        buckets=_buckets(stated, outcome, buckets, level),
    )


def wilson_interval(hits: float, calls: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share, as fractions.

    Wilson, Journal of the American Statistical Association 22 (1927), 209-212.

    Args:
        hits: How many of the calls came true.
        calls: How many there were, at least 1.
        level: Confidence of the interval.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / calls
    centre = share + z**2 / (2 * calls)
    half = z * math.sqrt(share * (1 - share) / calls + z**2 / (4 * calls**2))
    scale = 1 + z**2 / calls
    return max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)


def _buckets(stated: Floats, outcome: Floats, buckets: int, level: float) -> tuple[Bucket, ...]:
    width = 100 / buckets
    which = np.minimum((stated * buckets / 100).astype(np.int64), buckets - 1)
    return tuple(
        _bucket(stated[which == k], outcome[which == k], k * width, width, level) for k in np.unique(which)
    )


def _bucket(stated: Floats, outcome: Floats, low: float, width: float, level: float) -> Bucket:
    hits, calls = float(outcome.sum()), len(outcome)
    ends = wilson_interval(hits, calls, level)
    return Bucket(
        low=float(low),
        high=float(low + width),
        calls=calls,
        mean_confidence=float(stated.mean()),
        hit_rate_pct=100 * hits / calls,
        hit_rate_low_pct=100 * ends[0],
        hit_rate_high_pct=100 * ends[1],
    )
