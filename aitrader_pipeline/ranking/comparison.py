"""Which of two models is better, for all pairs at once, on the same resamples.

Adjusted p-values are those of the stepdown procedure of Romano and Wolf, "Stepwise multiple testing as formalized
data snooping", Econometrica 73 (2005), 1237-1282, computed as in their "Efficient computation of adjusted p-values
for resampling-based stepdown multiple testing", Statistics & Probability Letters 113 (2016), 38-40. They hold down
the probability of any false difference on the board, know how the models move together, and, unlike Holm's, do not
need more resamples the more pairs there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aitrader_pipeline.ranking.figures import Bools, Floats, Ints
from aitrader_pipeline.ranking.panel import Draws, Panel
from aitrader_pipeline.ranking.resampling import counts_of

TIE = 1e-12
"""Differences up to this are rounding: the two are equal."""

DEFINED_SHARE = 0.9
"""Share of the resamples in which a figure must be defined for anything to be said of it."""


@dataclass(frozen=True)
class Comparison:
    """Every model against every other by one figure; NaN where a pair cannot be compared, and on the diagonal.

    Attributes:
        p_beats: Share of resamples in which the row's model is above the column's, ties as halves, shape
            `(models, models)`; fractions.
        p_adjusted: p-value that the two are equal, adjusted for all pairs of the board; symmetric, same shape.
        p_best: Share of resamples in which the model is above all rivals on the sessions common to them all, ties
            shared, shape `(models,)`; sums to 1. NaN for all where there are too few common sessions.
        sessions: Sessions that two models have in common; on the diagonal those of the model.
        best_sessions: Sessions that all rivals have in common.
    """

    p_beats: Floats
    p_adjusted: Floats
    p_best: Floats
    sessions: Ints
    best_sessions: int


def compare(draws: Draws, *, rivals: Bools, min_sessions: int) -> Comparison:
    """Compare all rivals with each other by the figure that was drawn.

    By mean log return, that is by the total return on the sessions that two have in common.

    Args:
        draws: Their resamples.
        rivals: Who takes part, shape `(models,)`.
        min_sessions: Pairs with fewer sessions in common are not compared.
    """
    panel, observed, models = draws.panel, draws.observed, len(rivals)
    sessions = (panel.present @ panel.present.T).astype(np.int64)
    first, second = np.triu_indices(models, 1)
    common = sessions[first, second]
    difference = observed[panel.pattern_of[second], first] - observed[panel.pattern_of[first], second]
    comparable = rivals[first] & rivals[second] & (common >= min_sessions) & np.isfinite(difference)
    pairs = _Pairs(first[comparable], second[comparable], difference[comparable])
    p_beats, spread, defined = _spread(draws, pairs)
    pairs, p_beats = pairs.where(defined), p_beats[defined]
    p_adjusted = _stepdown(draws, pairs, spread[defined])
    best_sessions = int(panel.patterns[panel.common_pattern].sum()) if rivals.any() else 0
    taking_part = rivals & np.isfinite(observed[panel.common_pattern]) & (best_sessions >= min_sessions)
    return Comparison(
        p_beats=_square(models, pairs, p_beats, 1 - p_beats),
        p_adjusted=_square(models, pairs, p_adjusted, p_adjusted),
        p_best=_p_best(draws, taking_part),
        sessions=sessions,
        best_sessions=best_sessions,
    )


@dataclass(frozen=True)
class _Pairs:
    first: Ints
    second: Ints
    difference: Floats

    def where(self, chosen: Bools | Ints) -> "_Pairs":
        return _Pairs(self.first[chosen], self.second[chosen], self.difference[chosen])

    def errors(self, panel: Panel, figures: Floats) -> Iterator[tuple[int, Floats]]:
        """Each pair's resampled differences less the observed one; one buffer is used for all.

        A row of resamples at a time: it stays in the processor's cache, a table of all pairs would not.
        """
        buffer = np.empty(figures.shape[2])
        on = panel.pattern_of
        for pair, (i, j) in enumerate(zip(self.first.tolist(), self.second.tolist(), strict=True)):
            np.subtract(figures[on[j], i], figures[on[i], j], out=buffer)
            buffer -= self.difference[pair]
            yield pair, buffer


def _square(models: int, pairs: _Pairs, upper: Floats, lower: Floats) -> Floats:
    square = np.full((models, models), np.nan)
    square[pairs.first, pairs.second] = upper
    square[pairs.second, pairs.first] = lower
    return square


def _spread(draws: Draws, pairs: _Pairs) -> tuple[Floats, Floats, Bools]:
    """How often the first wins, the standard error of the difference, and whether both are known, per pair."""
    n = len(pairs.difference)
    defined, wins, total, squares = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for block in draws.blocks():
        for pair, drawn in pairs.errors(draws.panel, block):
            error, tie = drawn, pairs.difference[pair]
            added = error.sum()
            if not np.isfinite(added):
                error = drawn[np.isfinite(drawn)]
                added = error.sum()
            wins[pair] += (np.count_nonzero(error > TIE - tie) + np.count_nonzero(error >= -TIE - tie)) / 2
            defined[pair] += len(error)
            total[pair] += added
            squares[pair] += error @ error
    known = (defined > 0) & (defined >= DEFINED_SHARE * draws.count)
    counted = np.maximum(defined, 1)
    spread = np.sqrt(np.maximum(squares / counted - (total / counted) ** 2, 0))
    return wins / counted, np.maximum(spread, TIE), known


def _stepdown(draws: Draws, pairs: _Pairs, spread: Floats) -> Floats:
    """Adjusted p-values of Romano and Wolf, per pair, from differences over their standard errors."""
    statistic = np.abs(pairs.difference) / spread
    order = np.argsort(statistic, kind="stable")
    ordered, scale, seen = pairs.where(order), 1 / spread[order], statistic[order]
    exceeded = np.zeros(len(order))
    for block in draws.blocks():
        # The hypotheses still in the running at a step are those with no larger statistic: all that come before.
        largest = np.zeros(block.shape[2])
        for pair, error in ordered.errors(draws.panel, block):
            np.abs(error, out=error)
            error *= scale[pair]
            np.fmax(largest, error, out=largest)
            exceeded[pair] += np.count_nonzero(largest >= seen[pair])
    stepwise = (1 + exceeded) / (1 + draws.count)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(stepwise[::-1])[::-1]
    return adjusted


def _p_best(draws: Draws, taking_part: Bools) -> Floats:
    """Share of the resamples that each model wins on the common sessions; ties share a win."""
    if not taking_part.any():
        return np.full(len(taking_part), np.nan)
    figures = draws.panel.on_common(counts_of(draws.indices), draws.figure)
    figures = np.where(taking_part[:, None] & np.isfinite(figures), figures, -np.inf)
    best = figures.max(axis=0)
    decided = np.isfinite(best)
    winners = (figures >= best - TIE) & decided
    wins = (winners / np.maximum(winners.sum(axis=0), 1)).sum(axis=1)
    return np.where(taking_part, wins / decided.sum(), np.nan) if decided.any() else np.full(len(wins), np.nan)
