"""Returns of many models side by side, and their figures under any weights of the sessions.

Models need not have the same sessions. Each distinct set of sessions in the panel is a *pattern*; two models are
compared on the sessions that both have: the first on the pattern of the second, the second on that of the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from aitrader_pipeline.ranking.figures import SESSIONS_PER_YEAR, Bools, Floats, Ints, is_constant
from aitrader_pipeline.ranking.resampling import counts_of

Figure = Literal["log_growth", "sharpe"]
"""Mean log return of a session, or annualised Sharpe ratio."""

_ROUNDING = 1e-12
_ELEMENTS_AT_ONCE = 16_000_000
_WEIGHTINGS_AT_ONCE = 2500


@dataclass(frozen=True)
class Panel:
    """Returns as the figures need them; made by `panel_of`.

    Attributes:
        present: 1 where a model has a session, else 0, shape `(models, sessions)`; an unusable model has none.
        logs: Log returns, same shape, 0 where absent.
        centred: Returns over the risk-free rate and less their own mean, same shape, 0 where absent.
        means: The means that were taken off, shape `(models, 1)`.
        patterns: Distinct sets of sessions, 1 or 0, shape `(patterns, sessions)`.
        pattern_of: The pattern of each model, shape `(models,)`.
        common_pattern: The pattern of the sessions that all rivals have.
    """

    present: Floats
    logs: Floats
    centred: Floats
    means: Floats
    patterns: Floats
    pattern_of: Ints
    common_pattern: int

    def own(self, weights: Floats, figure: Figure) -> Floats:
        """A figure of every model on its own sessions, shape `(models, weightings)`; NaN is undefined.

        Args:
            weights: How often each session counts, shape `(sessions, weightings)`.
            figure: Which.
        """
        return np.asarray(self._on(np.ones((1, len(weights))), weights, figure)[0])

    def by_pattern(self, weights: Floats, figure: Figure) -> Floats:
        """A figure of every model on every pattern, shape `(patterns, models, weightings)`; otherwise as `own`."""
        return self._on(self.patterns, weights, figure)

    def on_common(self, weights: Floats, figure: Figure) -> Floats:
        """A figure of every model on the sessions that all rivals have; otherwise as `own`."""
        return np.asarray(self._on(self.patterns[[self.common_pattern]], weights, figure)[0])

    def _on(self, patterns: Floats, weights: Floats, figure: Figure) -> Floats:
        result = np.empty((len(patterns), len(self.present), weights.shape[1]))
        # Few products, whose threads wait for each other on a busy machine, and yet small tables between them.
        for start in range(0, weights.shape[1], _WEIGHTINGS_AT_ONCE):
            some = slice(start, start + _WEIGHTINGS_AT_ONCE)
            for k, pattern in enumerate(patterns):
                drawn = weights[:, some] * pattern[:, None]
                with np.errstate(invalid="ignore", divide="ignore"):
                    result[k, :, some] = self._log_growth(drawn) if figure == "log_growth" else self._sharpe(drawn)
        return result

    def _log_growth(self, weights: Floats) -> Floats:
        return (self.logs @ weights) / (self.present @ weights)

    def _sharpe(self, weights: Floats) -> Floats:
        n = self.present @ weights
        mean = self.centred @ weights / n
        square = self._squares @ weights / n
        variance = square - mean**2
        deviation = np.sqrt(np.maximum(variance, 0) * (n / (n - 1)))
        total = mean + self.means
        # Of moments that cancel to their last digits only rounding is left.
        constant = is_constant(deviation, total) | (variance <= _ROUNDING * square) | (n < 2)
        return np.where(constant, np.nan, total / deviation * np.sqrt(SESSIONS_PER_YEAR))

    @cached_property
    def _squares(self) -> Floats:
        return self.centred**2


@dataclass(frozen=True)
class Draws:
    """A figure of a panel under resampled sessions.

    Attributes:
        panel: The returns.
        indices: Sessions as `stationary_indices` draws them, shape `(sessions, resamples)`.
        figure: Which figure.
    """

    panel: Panel
    indices: Ints
    figure: Figure

    @property
    def count(self) -> int:
        """How many resamples there are."""
        return int(self.indices.shape[1])

    @cached_property
    def observed(self) -> Floats:
        """The figure on the sessions as they were, shape `(patterns, models)`."""
        return np.asarray(self.panel.by_pattern(np.ones((len(self.indices), 1)), self.figure)[:, :, 0])

    def blocks(self) -> Iterator[Floats]:
        """The figure by pattern in all resamples, as many at a time as fit into some hundred MiB."""
        if len(self._slices) == 1:
            yield self._only_block
        else:
            yield from map(self._block, self._slices)

    @cached_property
    def _slices(self) -> list[slice]:
        patterns, sessions = self.panel.patterns.shape
        size = max(_ELEMENTS_AT_ONCE // max(patterns * len(self.panel.present), sessions, 1), 1)
        return [slice(start, start + size) for start in range(0, self.count, size)]

    @cached_property
    def _only_block(self) -> Floats:
        return self._block(self._slices[0])

    def _block(self, chosen: slice) -> Floats:
        return self.panel.by_pattern(counts_of(self.indices[:, chosen]), self.figure)


def panel_of(returns: Floats, *, rivals: Bools, usable: Bools, daily_risk_free: float) -> Panel:
    """Prepare returns for their figures.

    Args:
        returns: Fractions (0.01 is 1 %), shape `(sessions, models)`; NaN where a model has no such session.
        rivals: Models whose common sessions make the common pattern, shape `(models,)`.
        usable: Models whose returns have logarithms; the others count as absent on every session.
        daily_risk_free: Fraction of a session.
    """
    present = (np.isfinite(returns) & usable).T
    filled = np.where(present, returns.T, 0.0)
    excess = np.where(present, filled - daily_risk_free, 0.0)
    means = excess.sum(axis=1, keepdims=True) / np.maximum(present.sum(axis=1, keepdims=True), 1)
    common = present[rivals].all(axis=0)
    patterns, which = np.unique(np.vstack([present, common]), axis=0, return_inverse=True)
    return Panel(
        present=present.astype(np.float64),
        logs=np.log1p(filled),
        centred=np.where(present, excess - means, 0.0),
        means=means,
        patterns=patterns.astype(np.float64),
        pattern_of=which[:-1].astype(np.int64),
        common_pattern=int(which[-1]),
    )
