"""Letters of the board: two models share one exactly when they cannot be told apart."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.ranking.comparison import Comparison
from aitrader_pipeline.ranking.figures import Bools
from aitrader_pipeline.ranking.tie_groups import TieGroup, compact_letters, tie_groups


def differing(models: int, *pairs: tuple[int, int]) -> Bools:
    apart = np.zeros((models, models), dtype=bool)
    for first, second in pairs:
        apart[first, second] = apart[second, first] = True
    return apart


@st.composite
def boards(draw: st.DrawFn) -> Bools:
    models = draw(st.integers(1, 9))
    every = list(combinations(range(models), 2))
    return differing(models, *(pair for pair in every if draw(st.booleans())))


def comparison(p_adjusted: list[list[float]], sessions: list[int]) -> Comparison:
    p = np.array(p_adjusted)
    return Comparison(
        p_beats=p, p_adjusted=p, p_best=np.ones(len(p)), sessions=np.diag(sessions), best_sessions=min(sessions)
    )


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["a", "a", "a", "a"]),
        ([(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"]),
        ([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], ["a", "b", "c", "d"]),
        ([(0, 1), (0, 2), (0, 3)], ["a", "b", "b", "b"]),
        # The last is a restless one, which differs from nobody.
        ([(0, 1), (0, 2), (1, 2)], ["a", "b", "c", "abc"]),
    ],
)
def test_known_boards_get_their_known_letters(pairs: list[tuple[int, int]], expected: list[str]) -> None:
    assert ["".join(letters) for letters in compact_letters(differing(4, *pairs))] == expected


@given(boards())
def test_two_models_share_a_letter_exactly_when_they_do_not_differ(apart: Bools) -> None:
    letters = compact_letters(apart)
    assert all(letters)
    for first, second in combinations(range(len(apart)), 2):
        assert bool(set(letters[first]) & set(letters[second])) == (not apart[first, second])


@given(boards())
def test_every_letter_is_needed(apart: Bools) -> None:
    letters = compact_letters(apart)
    for spare in {letter for own in letters for letter in own}:
        without = [set(own) - {spare} for own in letters]
        alone = any(not own for own in without)
        untied = any(
            not apart[i, j] and not without[i] & without[j] for i, j in combinations(range(len(apart)), 2)
        )
        assert alone or untied


def test_the_letters_after_z_are_those_of_a_spreadsheet() -> None:
    apart = ~np.eye(704, dtype=bool)
    letters = [own for (own,) in compact_letters(apart)]
    assert letters[25:28] + letters[701:] == ["z", "aa", "ab", "zz", "aaa", "aab"]


def test_a_large_board_without_any_order_in_its_differences_is_lettered_all_the_same() -> None:
    upper = np.triu(np.random.default_rng(1).random((200, 200)) < 0.5, 1)
    apart = upper | upper.T
    letters = [set(own) for own in compact_letters(apart)]
    for first, second in combinations(range(200), 2):
        assert bool(letters[first] & letters[second]) == (not apart[first, second])


def test_letters_follow_the_rank_and_the_level() -> None:
    nan = float("nan")
    p = comparison([[nan, 0.04, 0.001], [0.04, nan, 0.05], [0.001, 0.05, nan]], [100, 100, 100])
    best_last = [2, 1, 0]
    assert [group.letters for group in tie_groups(p, best_last)] == [("c",), ("b",), ("a",)]
    assert [group.letters for group in tie_groups(p, best_last, level=0.99)] == [("b",), ("a", "b"), ("a",)]


def test_a_model_with_too_few_sessions_gets_no_letter_but_a_reason() -> None:
    nan = float("nan")
    p = comparison([[nan, 0.5, nan], [0.5, nan, nan], [nan, nan, nan]], [63, 62, 10])
    groups = tie_groups(p, [0, 1, 2], min_sessions=62)
    assert [group.letters for group in groups[:2]] == [("a",), ("a",)]
    assert groups[2] == TieGroup(None, "too early: 10 sessions, 62 are needed")
    assert tie_groups(p, [0, 1, 2], min_sessions=63)[1] == TieGroup(None, "too early: 62 sessions, 63 are needed")


def test_a_model_that_is_compared_with_nobody_says_so() -> None:
    nan = float("nan")
    groups = tie_groups(comparison([[nan, nan], [nan, nan]], [50, 50]), [0, 1])
    assert groups == [TieGroup(None, "nothing to compare it with")] * 2


def test_an_empty_board_has_no_letters() -> None:
    assert compact_letters(np.zeros((0, 0), dtype=bool)) == []
