"""Letters that say which models cannot be told apart: those that share a letter.

The compact letter display of Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons",
Journal of Computational and Graphical Statistics 13 (2004), 456-466. His insert-and-absorb takes exponential time
where differences do not follow the order of the board, as with a steady model among restless ones; the letters
here are a greedy cover of the same graph by cliques, after Gramm and others, "Algorithms for compact letter
displays: comparison and evaluation", Computational Statistics & Data Analysis 52 (2008), 725-736.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from aitrader_pipeline.ranking.comparison import Comparison
from aitrader_pipeline.ranking.figures import MIN_SESSIONS, Bools, Ints, too_early


@dataclass(frozen=True)
class TieGroup:
    """Where one model stands among those it can or cannot be told apart from.

    Attributes:
        letters: One or more letters, the best group's first; None with a reason.
        reason: Why there are no letters.
    """

    letters: tuple[str, ...] | None
    reason: str | None = None


def tie_groups(
    comparison: Comparison, order: Sequence[int], *, level: float = 0.95, min_sessions: int = MIN_SESSIONS
) -> list[TieGroup]:
    """Give every model its letters: two models share one exactly when they cannot be told apart.

    Two models are told apart when the p-value of their difference, adjusted for all pairs of the board (Romano and
    Wolf, see `comparison`), is at most `1 - level`. A pair that cannot be compared is not told apart.

    Args:
        comparison: The pairs, as the bootstrap has them.
        order: Models by rank, the best first: positions in the comparison; group `a` is the first one's.
        level: Confidence with which no difference on the whole board is a false one.
        min_sessions: Models with fewer sessions get no letters.

    Returns:
        A group for every model, in the order of the comparison.
    """
    reasons = [too_early(n, min_sessions) for n in np.diag(comparison.sessions).tolist()]
    ranked = [m for m in order if reasons[m] is None and np.isfinite(comparison.p_adjusted[m]).any()]
    with np.errstate(invalid="ignore"):
        apart = comparison.p_adjusted <= 1 - level + 1e-12
    letters = compact_letters(apart[np.ix_(ranked, ranked)])
    given = dict(zip(ranked, letters, strict=True))
    return [
        TieGroup(given[m]) if m in given else TieGroup(None, reason or "nothing to compare it with")
        for m, reason in enumerate(reasons)
    ]


def compact_letters(apart: Bools) -> list[tuple[str, ...]]:
    """Letters for models in the order of their rank.

    Args:
        apart: Which pairs differ, shape `(models, models)`, symmetric.

    Returns:
        For each model its letters: `a` to `z`, then `aa`, `ab`, …; two models have one in common exactly when they
        do not differ.
    """
    alike = ~apart | np.eye(len(apart), dtype=bool)
    groups = _without_redundant(_cliques(alike), alike)
    letters: list[list[str]] = [[] for _ in range(len(apart))]
    for number, group in enumerate(sorted(groups, key=lambda group: group.tolist())):
        for model in group.tolist():
            letters[model].append(_letter(number))
    return [tuple(own) for own in letters]


def _cliques(alike: Bools) -> list[Ints]:
    """Groups of models that are all alike, so that each alike pair is in one; each is as large as can be."""
    uncovered: Bools = np.triu(alike)
    groups = []
    for first in range(len(alike)):
        # From the far end of the board: where likeness follows the rank, a group is then a stretch of the board.
        while uncovered[first].any():
            last = int(np.flatnonzero(uncovered[first])[-1])
            group = _grown([first, last], alike)
            uncovered[np.ix_(group, group)] = False
            groups.append(group)
    return groups


def _grown(members: list[int], alike: Bools) -> Ints:
    chosen = set(members)
    candidates = alike[members].all(axis=0) & ~np.isin(np.arange(len(alike)), members)
    while candidates.any():
        nearest = int(np.argmax(candidates))
        chosen.add(nearest)
        candidates &= alike[nearest]
        candidates[nearest] = False
    return np.array(sorted(chosen))


def _without_redundant(groups: list[Ints], alike: Bools) -> list[Ints]:
    """The groups without those whose pairs are all in others."""
    covered = np.zeros(alike.shape, dtype=np.int64)
    for group in groups:
        covered[np.ix_(group, group)] += 1
    kept = []
    for group in groups:
        block = np.ix_(group, group)
        if (covered[block] > 1).all():
            covered[block] -= 1
        else:
            kept.append(group)
    return kept


def _letter(number: int) -> str:
    """The letter of a group, counted from 0 as the columns of a spreadsheet are."""
    letters = ""
    number += 1
    while number:
        number, position = divmod(number - 1, len(ascii_lowercase))
        letters = ascii_lowercase[position] + letters
    return letters
