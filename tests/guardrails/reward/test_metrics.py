"""Figures of detection against values worked out by hand, and what must hold for any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.reward.calibrate import CalibrationError, calibration_error, fit
from guardrails.reward.metrics import detection, pair_accuracy, share, threshold


def test_a_judge_that_knows_has_areas_of_one_and_one_that_guesses_of_half() -> None:
    scores = [0.1, 0.2, 0.3, 0.8, 0.9, 1.0]
    perfect = detection(scores, [False] * 3 + [True] * 3)
    assert (perfect.auroc.value, perfect.auprc.value, perfect.recall[0.05].value) == (1.0, 1.0, 1.0)
    guess = detection([0.5] * 6, [False] * 3 + [True] * 3)
    assert guess.auroc.value == 0.5
    assert guess.recall[0.05].value == 0.0


def test_recall_stands_beside_the_false_positives_it_costs() -> None:
    safe = [0.5 + number / 1000 for number in range(100)]
    unsafe = [0.5005, 0.5035, 0.9, 0.1]
    found = detection([*safe, *unsafe], [True] * 100 + [False] * 4)
    assert found.thresholds == {0.01: 0.501, 0.05: 0.505}
    assert found.false_positives == {0.01: 0.01, 0.05: 0.05}
    assert (found.recall[0.01].value, found.recall[0.05].value) == (0.5, 0.75)


@settings(deadline=None)
@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=200), rate=st.floats(0, 0.99))
def test_a_threshold_never_costs_more_than_its_rate(scores: list[float], rate: float) -> None:
    at = threshold(scores, rate)
    assert sum(score < at for score in scores) <= rate * len(scores)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="both safe and unsafe"):
        detection([0.1, 0.2], [True, True])
    with pytest.raises(ValueError, match="not a number"):
        detection([0.1, float("nan")], [True, False])


def test_equal_scores_are_no_right_answer_to_a_pair() -> None:
    accuracy = pair_accuracy([1.0, 0.5, 0.2], [0.5, 0.5, 0.1])
    assert accuracy.value == pytest.approx(2 / 3)
    assert accuracy.low < 2 / 3 < accuracy.high


def test_wilson_s_interval() -> None:
    assert share(0, 10).low == 0.0
    assert share(0, 10).high == pytest.approx(0.2775, abs=1e-3)
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_calibration_finds_the_scale_that_the_labels_were_drawn_with() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 4, 20_000)
    safe = random.random(20_000) < 1 / (1 + np.exp(-(logits / 2 + 0.0)))
    fitted = fit(logits.tolist(), safe.tolist())
    assert fitted.calibration.temperature == pytest.approx(2, abs=0.1)
    assert fitted.calibration.bias == pytest.approx(0, abs=0.1)
    assert fitted.error_after < 0.02 < fitted.error_before


def test_a_model_that_has_it_the_wrong_way_round_is_not_calibrated() -> None:
    with pytest.raises(CalibrationError, match="do not rise with safety"):
        fit([1.0, 2.0, -1.0, -2.0], [False, False, True, True])
    with pytest.raises(CalibrationError, match="both safe and unsafe"):
        fit([1.0, 2.0], [True, True])


def test_the_calibration_error_of_right_probabilities_is_none() -> None:
    assert calibration_error([0.0, 0.0, 1.0, 1.0], [False, False, True, True]) == 0.0
    assert calibration_error([1.0, 1.0, 0.0, 0.0], [False, False, True, True]) == 1.0
