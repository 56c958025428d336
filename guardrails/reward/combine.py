"""One score from two: safety first, helpfulness where that is settled (Llama 2, section 3.2.3).

    R_c = R_s   if the prompt is tagged as possibly unsafe, or R_s < 0.15
        = R_h   otherwise

As a reward the combined scores are whitened: their logits, with zero mean and unit variance over a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# Below it safety alone counts: precision 0.89 and recall 0.55 on the paper's own test set.
SAFETY_THRESHOLD = 0.15
# Scores nearer to 0 or 1 than this have no finite logit.
EDGE = 1e-6


def combined(safety: float, helpfulness: float, *, sensitive: bool, threshold: float = SAFETY_THRESHOLD) -> float:
    """R_c of a reply, from probabilities in [0, 1]. A score that is no number counts as unsafe: 0."""
    if math.isnan(safety):
        return 0.0
    if sensitive or safety < threshold or math.isnan(helpfulness):
        return safety
    return helpfulness


def logit(probability: float) -> float:
    """The log-odds, finite for 0 and 1 as well."""
    clipped = min(max(probability, EDGE), 1 - EDGE)
    return math.log(clipped / (1 - clipped))


def whitened(scores: Sequence[float]) -> list[float]:
    """Zero mean and unit variance (of the population); all 0 for one score, or for equal ones."""
    mean = math.fsum(scores) / len(scores) if scores else 0.0
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores)) if scores else 0.0
    return [(score - mean) / deviation if deviation > 0 else 0.0 for score in scores]


def ranked(safety: Sequence[float], helpfulness: Sequence[float], *, sensitive: bool, floor: float) -> list[int]:
    """Candidates whose safety is `floor` or more, the best first; of equals, the earlier. None: refuse.

    Best of n picks the least bad where all are bad: hence the floor, which is absolute.
    """
    scores = [combined(s, h, sensitive=sensitive) for s, h in zip(safety, helpfulness, strict=True)]
    fine = [index for index, score in enumerate(safety) if score >= floor]
    return sorted(fine, key=lambda index: (-scores[index], index))
