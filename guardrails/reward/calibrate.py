"""From raw logits to probabilities and thresholds, on labelled examples that training did not see.

Platt's scaling: the logit times a factor plus a bias, fitted by logistic regression, so that of the texts scored 0.9
nine in ten are safe. Thresholds are set apart for prompts and replies, each for a stated share of false positives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guardrails.errors import UserError
from guardrails.reward.metrics import threshold
from guardrails.reward.model import Calibration

# A factor below this would turn the scores around or flatten them: the model does not tell safe from unsafe.
LEAST_FACTOR = 1e-3


class CalibrationError(UserError):
    """The examples do not allow a calibration; the text says why."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """`error_before` and `error_after`: expected calibration errors, in probability."""

    calibration: Calibration
    error_before: float
    error_after: float


def fit(logits: Sequence[float], safe: Sequence[bool]) -> Fitted:
    """The calibration with the highest likelihood, both classes weighing the same.

    Raises:
        CalibrationError: fewer than two classes, or logits that do not rise with safety.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(safe)) < 2:
        raise CalibrationError("both safe and unsafe examples are needed")
    values = np.asarray(logits, dtype=float)
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(values[:, None], np.asarray(safe, dtype=int))
    factor, bias = float(model.coef_[0, 0]), float(model.intercept_[0])
    if factor < LEAST_FACTOR:
        raise CalibrationError("the model's scores do not rise with safety: train it first")
    calibration = Calibration(1 / factor, bias)
    before = [Calibration().probability(logit) for logit in logits]
    after = [calibration.probability(logit) for logit in logits]
    return Fitted(calibration, calibration_error(before, safe), calibration_error(after, safe))


def thresholds(safe_scores: Sequence[float], rates: Sequence[float]) -> dict[float, float]:
    """For each rate of false positives, below which score a text is called unsafe."""
    return {rate: threshold(safe_scores, rate) for rate in rates}


def calibration_error(probabilities: Sequence[float], safe: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): over equal bins, |share safe - mean probability|, weighted.

    Both classes weigh the same, as in the fit.
    """
    values, labels = np.asarray(probabilities, dtype=float), np.asarray(safe, dtype=float)
    weights = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    places = np.minimum((values * bins).astype(int), bins - 1)
    error = 0.0
    for place in range(bins):
        inside = places == place
        weight = float(weights[inside].sum())
        if weight > 0:
            rate = float((weights * labels)[inside].sum()) / weight
            error += weight * abs(rate - float((weights * values)[inside].sum()) / weight)
    return error
