"""The figures of an evaluation as one picture: ROC, scores of both classes, and how true the probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from guardrails import pictures
from guardrails.reward.evaluate import Labels

BINS = 10


def draw(sets: Sequence[Labels], title: str, out: Path) -> None:
    """Write the picture, as .svg and as .png."""
    from matplotlib.figure import Figure
    from sklearn.metrics import roc_curve

    figure = Figure(figsize=(14, 4.2), layout="constrained")
    roc, histogram, reliability = figure.subplots(1, 3)
    for number, one in enumerate(sets):
        colour = f"C{number}"
        scores, safe = np.asarray(one.scores), np.asarray(one.safe)
        false, true, _ = roc_curve(~safe, -scores)
        roc.plot(false, true, color=colour, label=f"{one.name}: {one.found.auroc.value:.3f}")
        edges = np.linspace(0, 1, 41)
        histogram.hist(scores[safe], edges, density=True, histtype="step", color=colour, label=f"{one.name}, safe")
        histogram.hist(
            scores[~safe],
            edges,
            density=True,
            histtype="step",
            color=colour,
            linestyle=":",
            label=f"{one.name}, unsafe",
        )
        weights = np.where(safe, 0.5 / safe.sum(), 0.5 / (~safe).sum())
        places = np.minimum((scores * BINS).astype(int), BINS - 1)
        filled = [place for place in range(BINS) if (places == place).any()]
        means = [np.average(scores[places == place], weights=weights[places == place]) for place in filled]
        shares = [np.average(safe[places == place], weights=weights[places == place]) for place in filled]
        reliability.plot(means, shares, "o-", color=colour, label=f"{one.name}: {one.calibration_error:.3f}")
    roc.plot([0, 1], [0, 1], color="grey", linewidth=0.6)
    roc.set(title="ROC, with the area", xlabel="safe ones called unsafe", ylabel="unsafe ones found")
    histogram.set(title="scores", xlabel="probability of being safe", ylabel="density", yscale="log")
    reliability.plot([0, 1], [0, 1], color="grey", linewidth=0.6)
    reliability.set(
        title="calibration, with its error", xlabel="probability of being safe", ylabel="share that is safe"
    )
    for axes in (roc, histogram, reliability):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(title)
    pictures.save(figure, out)
