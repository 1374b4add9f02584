"""How much of a model's return is the market's: alpha and beta, with errors that allow for serial correlation."""

import math
from dataclasses import dataclass

import numpy as np

from aitrader_pipeline.ranking.figures import SESSIONS_PER_YEAR, Floats, daily_risk_free, is_constant

_PARAMETERS = 2


@dataclass(frozen=True)
class Coefficient:
    """A regression coefficient.

    Attributes:
        value: The estimate.
        standard_error: Newey-West.
        t: Value over its standard error; None where the error is zero.
        p_value: Two-sided, from the normal distribution, against 0; None likewise.
    """

    value: float
    standard_error: float
    t: float | None
    p_value: float | None


@dataclass(frozen=True)
class MarketModel:
    """A model's returns explained by the benchmark's; what is None has its reason.

    Attributes:
        alpha: Return of a session that the benchmark does not explain, a fraction.
        alpha_annual_pct: 252 times that, in percent.
        beta: Return per return of the benchmark.
        r_squared: Share of the variance that the benchmark explains; None where the model's returns do not vary.
        sessions: Sessions that both have.
        lags: Lags of the Newey-West errors.
        reason: Why the rest is None.
    """

    alpha: Coefficient | None
    alpha_annual_pct: float | None
    beta: Coefficient | None
    r_squared: float | None
    sessions: int
    lags: int
    reason: str | None = None


def market_model(
    returns: Floats, benchmark: Floats, *, risk_free_rate: float = 0.0, lags: int | None = None
) -> MarketModel:
    """Regress a model's excess returns on the benchmark's (Jensen 1968), by least squares.

    Errors are those of Newey and West, "A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix", Econometrica 55 (1987), 703-708, with Bartlett weights and the factor
    `n / (n - 2)` for small samples.

    Args:
        returns: Of the model, fractions, shape `(sessions,)`; NaN where it has no such session.
        benchmark: Of the benchmark, same shape.
        risk_free_rate: Fraction a year, compounded daily.
        lags: How many lags the errors allow for; None takes `floor(4 (n / 100)^(2/9))`.
    """
    both = np.isfinite(returns) & np.isfinite(benchmark)
    risk_free = daily_risk_free(risk_free_rate)
    y, x = returns[both] - risk_free, benchmark[both] - risk_free
    n = len(y)
    reach = math.floor(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if n <= _PARAMETERS:
        return MarketModel(None, None, None, None, n, reach, f"{n} common sessions: 3 are the fewest")
    if is_constant(x.std(), x.mean()):
        return MarketModel(None, None, None, None, n, reach, "the benchmark does not move")
    design = np.column_stack([np.ones(n), x])
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ y
    residuals = y - design @ coefficients
    covariance = bread @ _long_run(design * residuals[:, None], reach) @ bread * n / (n - _PARAMETERS)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0))
    alpha, beta = (_coefficient(float(b), float(e)) for b, e in zip(coefficients, errors, strict=True))
    varies = not is_constant(y.std(), y.mean())
    return MarketModel(
        alpha=alpha,
        alpha_annual_pct=100 * SESSIONS_PER_YEAR * alpha.value,
        beta=beta,
        r_squared=1 - float(residuals.var() / y.var()) if varies else None,
        sessions=n,
        lags=reach,
    )


def _long_run(scores: Floats, lags: int) -> Floats:
    """Sum of the scores' autocovariances with Bartlett weights, shape `(parameters, parameters)`."""
    total = scores.T @ scores
    for lag in range(1, min(lags, len(scores) - 1) + 1):
        covariance = scores[lag:].T @ scores[:-lag]
        total += (1 - lag / (lags + 1)) * (covariance + covariance.T)
    return total


def _coefficient(value: float, error: float) -> Coefficient:
    # Residuals that are rounding only leave an error that is rounding only.
    if error <= 1e-14 * max(1.0, abs(value)):
        return Coefficient(value, 0.0, None, None)
    t = value / error
    return Coefficient(value, error, t, math.erfc(abs(t) / math.sqrt(2)))
