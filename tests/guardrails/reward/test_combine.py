"""Safety first: the truth table of the combined score, and who may be chosen."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guardrails.reward.combine import combined, logit, ranked, whitened

SCORE = st.floats(0, 1)


@pytest.mark.parametrize(
    ("safety", "sensitive", "expected"),
    [(0.9, False, 0.5), (0.9, True, 0.9), (0.15, False, 0.5), (0.1499, False, 0.1499), (0.1, True, 0.1)],
)
def test_safety_counts_where_the_prompt_is_sensitive_or_the_reply_is_not_safe(
    safety: float, sensitive: bool, expected: float
) -> None:
    assert combined(safety, 0.5, sensitive=sensitive) == expected


def test_no_number_is_unsafe() -> None:
    assert combined(math.nan, 0.9, sensitive=False) == 0.0
    assert combined(0.8, math.nan, sensitive=False) == 0.8


@given(st.lists(SCORE, min_size=2, max_size=9))
def test_whitened_scores_have_mean_zero_and_variance_one(scores: list[float]) -> None:
    logits = [logit(score) for score in scores]
    assume(max(logits) - min(logits) > 1e-3)
    white = whitened(logits)
    assert math.fsum(white) == pytest.approx(0, abs=1e-6)
    assert math.fsum(one * one for one in white) / len(white) == pytest.approx(1)


def test_one_score_and_equal_scores_are_whitened_to_zero() -> None:
    assert whitened([3.0]) == whitened([3.0, 3.0])[:1] == [0.0]
    assert whitened([]) == []


@given(st.lists(st.tuples(SCORE, SCORE), max_size=8), st.booleans(), SCORE)
def test_only_candidates_above_the_floor_are_ranked_the_best_first(
    scores: list[tuple[float, float]], sensitive: bool, floor: float
) -> None:
    safety, helpfulness = [s for s, _ in scores], [h for _, h in scores]
    order = ranked(safety, helpfulness, sensitive=sensitive, floor=floor)
    assert sorted(order) == [index for index, score in enumerate(safety) if score >= floor]
    values = [combined(*scores[index], sensitive=sensitive) for index in order]
    assert values == sorted(values, reverse=True)


def test_where_all_are_unsafe_none_is_left() -> None:
    assert ranked([0.1, 0.2], [0.9, 0.9], sensitive=False, floor=0.5) == []


def test_of_equals_the_earlier_comes_first() -> None:
    assert ranked([0.9, 0.9, 0.9], [0.5, 0.5, 0.6], sensitive=False, floor=0.5) == [2, 0, 1]
