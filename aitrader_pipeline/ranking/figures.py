"""What the statistics of this room share: their array types, the year, and when a ratio is undefined."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SESSIONS_PER_YEAR = 252
MIN_SESSIONS = 20
"""Sessions under which nothing is inferred from a series: it is too early."""

_NO_DEVIATION = 1e-12


def daily_risk_free(annual_rate: float) -> float:
    """The rate of a session that compounds to an annual one over 252 sessions; both are fractions."""
    return float((1 + annual_rate) ** (1 / SESSIONS_PER_YEAR) - 1)


def is_constant(deviation: Floats, mean: Floats) -> Bools:
    """Whether a standard deviation is nothing but rounding, so that no ratio over it is defined."""
    return np.asarray(deviation < _NO_DEVIATION * np.maximum(1.0, np.abs(mean)))


def too_early(sessions: int, minimum: int) -> str | None:
    """Why nothing is inferred yet, or None where there are sessions enough."""
    return f"too early: {sessions} sessions, {minimum} are needed" if sessions < minimum else None


def known(figure: float) -> float | None:
    """A figure as the mart stores it: None where it is undefined."""
    return float(figure) if math.isfinite(figure) else None
