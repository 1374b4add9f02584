"""Whether models decide alike: kappa, and what became of the decisions on which two of them parted.

Decisions are numbers in an array of shape `(items, models)`, an item being a symbol on a session: 1 buys, 0 holds,
-1 sells, NaN where the model decided nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aitrader_pipeline.ranking.figures import Bools, Floats, Ints

Singles = NDArray[np.float32]

BUY, HOLD, SELL = 1.0, 0.0, -1.0
_CHOICES = (BUY, HOLD, SELL)
_CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class PairAgreement:
    """Agreement of every two models on the items that both decided, each of shape `(models, models)`.

    Attributes:
        kappa: 1 is full agreement, 0 what chance gives, below 0 is less. NaN for pairs with nothing in common, and
            where both always made the same choice: then agreement by chance is certain.
        observed: Share of the common items on which they agree; NaN without any.
        items: How many items both decided.
    """

    kappa: Floats
    observed: Floats
    items: Ints


@dataclass(frozen=True)
class Kappa:
    """Agreement of many models beyond chance; what is None has its reason."""

    value: float | None
    observed: float | None
    items: int
    reason: str | None = None


@dataclass(frozen=True)
class Divergences:
    """Where two models decided differently on the same item.

    Attributes:
        diverging: Items on which the two parted, shape `(models, models)`.
        side_return: Mean forward return of the row's side where it parted from the column, fractions, shape
            `(horizons, models, models)`; the other's side is at the mirrored place. NaN where none is known.
    """

    diverging: Ints
    side_return: Floats


def cohen_kappas(decisions: Floats) -> PairAgreement:
    """Agreement of every two models.

    `(po - pe) / (1 - pe)` (Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960), 37-46), with the shares of the choices on the common items.

    Args:
        decisions: Shape `(items, models)`.
    """
    return _kappas(_Planes.of(decisions))


def fleiss_kappa(decisions: Floats) -> Kappa:
    """Agreement of all models, on the items that at least two of them decided.

    Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971), 378-382. Items
    may have different numbers of deciding models: each item's agreement counts alike, and so does each decision in
    the shares of the choices.

    Args:
        decisions: Shape `(items, models)`.
    """
    counts = _chosen(decisions).sum(axis=2)
    counts = counts[:, counts.sum(axis=0) >= 2]
    deciding = counts.sum(axis=0)
    items = len(deciding)
    if not items:
        return Kappa(None, None, 0, "no two models decided on the same item")
    observed = float(((counts * (counts - 1)).sum(axis=0) / (deciding * (deciding - 1))).mean())
    shares = counts.sum(axis=1) / deciding.sum()
    by_chance = float(shares @ shares)
    if by_chance >= _CERTAIN:
        return Kappa(None, observed, items, "all decisions are the same: agreement by chance is certain")
    return Kappa((observed - by_chance) / (1 - by_chance), observed, items)


def divergences(decisions: Floats, forward_returns: Floats) -> Divergences:
    """For every two models the items on which they parted, and what each side made of them.

    A side that bought has the symbol's return, one that sold its opposite, one that held has none.

    Args:
        decisions: Shape `(items, models)`.
        forward_returns: Return of the item's symbol from the price of the decision, fractions, shape
            `(items, horizons)`; NaN where it is not known yet: such an item counts, but not in that mean.
    """
    return _divergences(_Planes.of(decisions), forward_returns)


def compare(decisions: Floats, forward_returns: Floats) -> tuple[PairAgreement, Divergences]:
    """Both `cohen_kappas` and `divergences`, for little more than one of them."""
    planes = _Planes.of(decisions)
    return _kappas(planes), _divergences(planes, forward_returns)


@dataclass(frozen=True)
class _Planes:
    """Who bought, who sold and who decided at all: 1 or 0, each of shape `(items, models)`.

    All that is asked of pairs of models are products of these, as holds are what is left. Single precision counts
    exactly up to 16 million items.
    """

    buys: Singles
    sells: Singles
    decided: Singles

    @classmethod
    def of(cls, decisions: Floats) -> "_Planes":
        return cls(
            *(plane.astype(np.float32) for plane in (decisions == BUY, decisions == SELL, decisions == decisions))
        )

    def where(self, chosen: Bools) -> "_Planes":
        """The same of some of the items."""
        return _Planes(self.buys[chosen], self.sells[chosen], self.decided[chosen])

    @cached_property
    def acted(self) -> Singles:
        return self.buys + self.sells

    @cached_property
    def signed(self) -> Singles:
        return self.buys - self.sells

    @cached_property
    def _exact(self) -> Floats:
        """Who acted, in double precision."""
        return self.acted.astype(np.float64)

    @cached_property
    def _partial(self) -> Ints:
        """The items that not all models decided."""
        return np.flatnonzero(~self.decided.all(axis=1))

    def on_common(self, plane: Singles | Floats) -> Floats:
        """Sums of the row's plane over the items that the column decided, shape `(models, models)`."""
        some = plane[self._partial]
        of_whole = plane.sum(axis=0, dtype=np.float64) - some.sum(axis=0, dtype=np.float64)
        return np.asarray(of_whole[:, None] + some.T @ self.decided[self._partial], dtype=np.float64)

    @cached_property
    def items(self) -> Floats:
        """Items that both decided."""
        return self.on_common(self.decided)

    @cached_property
    def agreed(self) -> Floats:
        """Items on which both chose the same."""
        acted = self.on_common(self.acted)
        both_acted = self.acted.T @ self.acted
        same_side = (self.signed.T @ self.signed + both_acted) / 2
        return np.asarray(self.items - acted - acted.T + both_acted + same_side, dtype=np.float64)

    def side_sums(self, returns: Floats) -> Floats:
        """Returns of the row's side, summed over the items on which it parted from the column."""
        side = self.signed * returns[:, None]
        # Where both bought or both sold, half of it comes from either order of the two.
        together = side.T @ self._exact
        return self.on_common(side) - (together + together.T) / 2


def _kappas(planes: _Planes) -> PairAgreement:
    items = planes.items
    buys, sells = planes.on_common(planes.buys), planes.on_common(planes.sells)
    holds = items - buys - sells
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = planes.agreed / items
        by_chance = (buys * buys.T + sells * sells.T + holds * holds.T) / items**2
        kappa = np.where(by_chance >= _CERTAIN, np.nan, (observed - by_chance) / (1 - by_chance))
    return PairAgreement(kappa, observed, items.astype(np.int64))


def _divergences(planes: _Planes, forward_returns: Floats) -> Divergences:
    parted = planes.items - planes.agreed
    means = []
    for returns in forward_returns.T:
        unknown = ~np.isfinite(returns)
        unjudged = planes.where(unknown)
        judged = parted - (unjudged.items - unjudged.agreed)
        sums = planes.side_sums(np.where(unknown, 0.0, returns))
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(np.where(judged > 0, sums / judged, np.nan))
    return Divergences(parted.astype(np.int64), np.array(means).reshape(len(means), *parted.shape))


def _chosen(decisions: Floats) -> Floats:
    """One plane for each choice, 1 where it was made and 0 elsewhere, shape `(choices, items, models)`."""
    return np.stack([decisions == choice for choice in _CHOICES]).astype(np.float64)
