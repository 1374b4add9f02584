"""Where a model stands among traders that draw their orders at random: the null hypothesis of the board."""

import math
from dataclasses import dataclass

import numpy as np

from aitrader_pipeline.ranking.figures import Floats


@dataclass(frozen=True)
class NullStanding:
    """A model among the random traders.

    Attributes:
        percentile: 0 to 100, both excluded; 50 is the middle of the random traders. None with a reason.
        p_value: Probability that a random trader does as well or better; None with a reason.
        traders: How many random traders it is compared with.
        reason: Why the others are None.
    """

    percentile: float | None
    p_value: float | None
    traders: int
    reason: str | None = None


def standing_among_random(figure: float | None, cloud: Floats) -> NullStanding:
    """Compare a model's figure with those of the random traders.

    The model counts as one of the cloud, so that a finite cloud never gives a probability of zero:
    `p = (1 + #{random >= model}) / (N + 1)` (Phipson and Smyth, "Permutation p-values should never be zero",
    Statistical Applications in Genetics and Molecular Biology 9 (2010), article 39). The percentile is its middle
    rank in the same company: `100 (#below + (#equal + 1) / 2) / (N + 1)`.

    Args:
        figure: Return, Sharpe ratio or another figure of which more is better; None or NaN where undefined.
        cloud: The same figure of the random traders over the same sessions, shape `(traders,)`; NaN is left out.
    """
    known = cloud[np.isfinite(cloud)]
    n = len(known)
    if figure is None or not math.isfinite(figure):
        return NullStanding(None, None, n, "the figure is undefined for this model")
    if not n:
        return NullStanding(None, None, 0, "there are no random traders to compare with")
    below, at_least = int((known < figure).sum()), int((known >= figure).sum())
    equal = int((known == figure).sum())
    return NullStanding(100 * (below + (equal + 1) / 2) / (n + 1), (1 + at_least) / (n + 1), n)
