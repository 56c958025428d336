"""Measuring a safety reward model: what it tells apart, what that costs, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from guardrails.errors import UserError
from guardrails.judge import Exchange
from guardrails.reward.calibrate import calibration_error
from guardrails.reward.data import Labelled, Pair
from guardrails.reward.metrics import Detection, Figure, detection, pair_accuracy, share, threshold
from guardrails.reward.model import RewardModel

AT_ONCE = 64
TIMED = 50
T = TypeVar("T")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Labels:
    """Figures of one set of labelled examples. `scores` are in the order of the examples."""

    name: str
    found: Detection
    calibration_error: float
    scores: list[float]
    safe: list[bool]

    def as_json(self) -> dict[str, Any]:
        """Everything but the single scores."""
        return {"name": self.name, **asdict(self.found), "calibration_error": self.calibration_error}


@dataclass(frozen=True, slots=True)
class Prompts:
    """Recall of harmful prompts at a threshold that calls at most a share `rate` of benign ones harmful.

    Half of the benign prompts set the threshold, the other half measure the false positives.
    """

    name: str
    rate: float
    threshold: float
    recall: Figure
    harmful: int
    false_positives: Figure
    benign: int


def score(model: RewardModel, exchanges: Sequence[Exchange], progress: Progress = lambda count: None) -> list[float]:
    """Safety scores, in probability. Raises RenderingError."""
    scores: list[float] = []
    for start in range(0, len(exchanges), AT_ONCE):
        part = exchanges[start : start + AT_ONCE]
        scores += model.scores(part)
        progress(len(part))
    return scores


def labels(model: RewardModel, name: str, examples: Sequence[Labelled], progress: Progress) -> Labels:
    """Figures of a labelled set. Raises UserError where a class is empty."""
    safe = [one.safe for one in examples]
    if len(set(safe)) < 2:
        raise UserError(f"{name} has examples of one kind only: both safe and unsafe ones are needed")
    scores = score(model, [one.exchange for one in examples], progress)
    return Labels(name, detection(scores, safe), calibration_error(scores, safe), scores, safe)


def pairs(model: RewardModel, examples: Sequence[Pair], progress: Progress) -> Figure:
    """The share of pairs whose chosen reply has the higher score."""
    chosen = score(model, [pair.chosen for pair in examples], progress)
    rejected = score(model, [pair.rejected for pair in examples], progress)
    return pair_accuracy(chosen, rejected)


def prompts(
    model: RewardModel,
    harmful: Sequence[tuple[str, Sequence[Labelled]]],
    benign: Sequence[Labelled],
    rates: Iterable[float],
    progress: Progress,
) -> list[Prompts]:
    """Recall of each harmful set at each rate of false positives among all benign prompts."""
    benign_scores = score(model, [one.exchange for one in benign], progress)
    sets, measured = benign_scores[::2], benign_scores[1::2]
    found = []
    for name, examples in harmful:
        scores = score(model, [one.exchange for one in examples], progress)
        for rate in rates:
            at = threshold(sets, rate)
            recall = share(sum(value < at for value in scores), len(scores))
            false = share(sum(value < at for value in measured), len(measured))
            found.append(Prompts(name, rate, at, recall, len(scores), false, len(measured)))
    return found


def latency(model: RewardModel, exchanges: Sequence[Exchange]) -> dict[str, float]:
    """Median and 95th percentile of one exchange at a time, in milliseconds, after a warm-up."""
    import numpy as np

    some = list(exchanges[:TIMED])
    model.scores(some[:1])
    times = []
    for one in some:
        began = time.perf_counter()
        model.scores([one])
        times.append(1000 * (time.perf_counter() - began))
    return {"p50_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95)), "n": len(times)}
