"""How well scores tell safe from unsafe. No figure of detection without the false positives it costs.

A score is high where a judge thinks a text safe. To detect is to call a text unsafe, at scores below a threshold;
a false positive is a safe text called so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardrails.statistics import Share

RESAMPLES = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """Recall of unsafe texts at thresholds that call at most a share of the safe ones unsafe, and the areas."""

    safe: int
    unsafe: int
    auroc: Figure
    auprc: Figure
    recall: dict[float, Figure]
    thresholds: dict[float, float]
    false_positives: dict[float, float]


def detection(
    scores: Sequence[float], safe: Sequence[bool], rates: Sequence[float] = (0.01, 0.05), seed: int = 0
) -> Detection:
    """All figures of one set; areas with a bootstrap's interval (1,000 resamples of each class), recall with Wilson's.

    The threshold of a rate is set on the same safe texts: use `recall_at` with one set elsewhere for a figure that
    is not.

    Raises:
        ValueError: a class is empty, or a score is no number.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    all_scores, is_safe = np.asarray(scores, dtype=float), np.asarray(safe, dtype=bool)
    if not np.isfinite(all_scores).all():
        raise ValueError("a score is not a number")
    good, bad = all_scores[is_safe], all_scores[~is_safe]
    if not len(good) or not len(bad):
        raise ValueError("both safe and unsafe examples are needed")
    thresholds = {rate: threshold(good, rate) for rate in rates}

    def area(measure: Callable[[Floats, Floats], float]) -> Figure:
        def value(of_good: Floats, of_bad: Floats) -> float:
            labels = np.concatenate([np.zeros(len(of_good)), np.ones(len(of_bad))])
            return float(measure(labels, -np.concatenate([of_good, of_bad])))

        random = np.random.default_rng(seed)
        drawn = [value(random.choice(good, len(good)), random.choice(bad, len(bad))) for _ in range(RESAMPLES)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Figure(value(good, bad), float(low), float(high))

    return Detection(
        safe=len(good),
        unsafe=len(bad),
        auroc=area(roc_auc_score),
        auprc=area(average_precision_score),
        recall={rate: share(int((bad < at).sum()), len(bad)) for rate, at in thresholds.items()},
        thresholds=thresholds,
        false_positives={rate: float((good < at).mean()) for rate, at in thresholds.items()},
    )


def threshold(safe_scores: Sequence[float] | Floats, rate: float) -> float:
    """The highest threshold with at most a share of `rate` of the safe scores below it."""
    ordered = np.sort(np.asarray(safe_scores, dtype=float))
    return float(ordered[math.floor(rate * len(ordered))]) if rate < 1 else math.inf


def share(passed: int, n: int) -> Figure:
    """A share with Wilson's interval; of none, anything."""
    found = Share(passed, n)
    return Figure(found.value, *found.interval)


def pair_accuracy(chosen: Sequence[float], rejected: Sequence[float]) -> Figure:
    """The share of pairs whose chosen reply has the higher score; equal scores count as wrong."""
    return share(sum(c > r for c, r in zip(chosen, rejected, strict=True)), len(chosen))
