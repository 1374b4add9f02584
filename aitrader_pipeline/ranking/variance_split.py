"""What makes daily returns differ: the market, the model, or the luck of one replica among its like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aitrader_pipeline.ranking.figures import Floats

_FEWEST = 2
_NO_REPLICAS = "no model has replicas: their luck cannot be told from what the models decided"


@dataclass(frozen=True)
class VarianceSplit:
    """Components of the variance of daily returns (fractions squared); what is None has its reason.

    Attributes:
        market: Of the day, common to all portfolios.
        model: Of the model on all days alike: its mean.
        model_day: Of the model on the day, common to its replicas: what it decided about. Where no model has
            replicas, with their luck in it.
        replica: Of one replica against the others of its model on the same day; None without replicas.
        shares_pct: Each of them in percent of their sum, by name; empty where nothing varies.
        clipped: Names of components whose estimates came out below zero and stand as zero.
        days: Sessions that all portfolios have.
        reason: Why components are None.
    """

    market: float | None
    model: float | None
    model_day: float | None
    replica: float | None
    shares_pct: Mapping[str, float]
    clipped: tuple[str, ...]
    days: int
    reason: str | None = None


@dataclass(frozen=True)
class ReplicaSpread:
    """One figure over the replicas of a model.

    Attributes:
        replicas: How many have the figure.
        mean: Their mean; None without any.
        deviation: Sample standard deviation; None for fewer than two.
        low: The least.
        high: The greatest.
    """

    replicas: int
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None


def variance_split(returns: Floats, model_of: Sequence[int]) -> VarianceSplit:
    """Split the variance of daily returns by a two-way analysis of variance with random effects.

    `r = mean + day + model + (day x model) + replica`, each effect drawn by itself. Mean squares are set equal to
    their expectations (Searle, Casella and McCulloch, Variance Components, 1992, section 4.5); for models with
    different numbers of replicas, by the analysis of unweighted means: the cells count alike and the replicas by
    their harmonic mean. Days that a portfolio lacks are left out for all.

    Args:
        returns: Daily returns as fractions, shape `(days, portfolios)`; NaN where a portfolio has no such day.
        model_of: The model of each portfolio, as a number.
    """
    complete = returns[np.isfinite(returns).all(axis=1)]
    models, column_model, replicas = np.unique(model_of, return_inverse=True, return_counts=True)
    days, m = len(complete), len(models)
    if days < _FEWEST or m < _FEWEST:
        return VarianceSplit(
            None,
            None,
            None,
            None,
            {},
            (),
            days,
            f"{days} common days of {m} models: at least 2 of each are needed",
        )
    cells = np.stack([complete[:, column_model == k].mean(axis=1) for k in range(m)], axis=1)
    by_day, by_model, grand = cells.mean(axis=1), cells.mean(axis=0), cells.mean()
    day_square = m * ((by_day - grand) ** 2).sum() / (days - 1)
    model_square = days * ((by_model - grand) ** 2).sum() / (m - 1)
    rest = cells - by_day[:, None] - by_model + grand
    rest_square = (rest**2).sum() / ((days - 1) * (m - 1))
    estimates = {"market": (day_square - rest_square) / m, "model": (model_square - rest_square) / days}
    spare = len(column_model) - m
    if spare:
        within = ((complete - cells[:, column_model]) ** 2).sum() / (days * spare)
        estimates["model_day"] = rest_square - within * (1 / replicas).mean()
        estimates["replica"] = within
    else:
        estimates["model_day"] = rest_square
    clipped = tuple(name for name, estimate in estimates.items() if estimate < 0)
    components = {name: max(float(estimate), 0.0) for name, estimate in estimates.items()}
    total = sum(components.values())
    return VarianceSplit(
        market=components["market"],
        model=components["model"],
        model_day=components["model_day"],
        replica=components.get("replica"),
        shares_pct={name: 100 * value / total for name, value in components.items()} if total > 0 else {},
        clipped=clipped,
        days=days,
        reason=None if spare else _NO_REPLICAS,
    )


def replica_spread(figures: Floats) -> ReplicaSpread:
    """Mean and spread of a figure over a model's replicas, shape `(replicas,)`; NaN is left out."""
    known = figures[np.isfinite(figures)]
    if not len(known):
        return ReplicaSpread(0, None, None, None, None)
    deviation = float(known.std(ddof=1)) if len(known) > 1 else None
    return ReplicaSpread(len(known), float(known.mean()), deviation, float(known.min()), float(known.max()))
