from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.statistics import Paired, Share


@pytest.mark.parametrize(
    ("passed", "n", "low", "high"),
    [
        # Newcombe 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_against_published_values(passed: int, n: int, low: float, high: float) -> None:
    assert Share(passed, n).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    passed, n = counts
    low, high = Share(passed, n).interval
    assert 0 <= low <= passed / n <= high <= 1
    assert Share(n - passed, n).interval == pytest.approx((1 - high, 1 - low))


def test_of_nothing_nothing_is_known() -> None:
    assert Share(0, 0).interval == (0, 1)
    assert not Share(0, 0).apart(Share(200, 200))


def test_intervals_that_touch_are_not_apart() -> None:
    assert Share(199, 200).apart(Share(100, 200))
    assert Share(100, 200).apart(Share(199, 200))
    assert not Share(100, 200).apart(Share(105, 200))


@pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (7, 7, 1.0)])
def test_mcnemar_is_the_exact_binomial(first: int, second: int, p: float) -> None:
    assert Paired(first, second).p == pytest.approx(p)
    assert Paired(second, first).p == pytest.approx(p)


def test_mcnemar_of_many_items_does_not_overflow() -> None:
    assert 0 <= Paired(0, 5000).p < 1e-300
