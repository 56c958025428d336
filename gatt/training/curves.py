"""The loss of a training run by step, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guardrails import pictures

# Above this many steps single steps are drawn thin, behind their running mean.
SMOOTHED_FROM = 40


def read_log(log: Path) -> list[dict[str, Any]]:
    """The entries of a run's log.jsonl, one a step."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def draw(entries: list[dict[str, Any]], title: str, out: Path) -> None:
    """Write `out`/loss.svg and `out`/loss.png: training and held-out loss in nats a learned token, by step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps, losses = [entry["step"] for entry in entries], [entry["loss"] for entry in entries]
    many = len(entries) >= SMOOTHED_FROM
    axes.plot(
        steps, losses, "-", color="tab:blue", linewidth=0.8, alpha=0.35 if many else 1, label="training, each step"
    )
    if many:
        span = len(entries) // 20
        means = [sum(losses[at - span : at]) / span for at in range(span, len(losses) + 1)]
        axes.plot(steps[span - 1 :], means, color="tab:blue", label=f"training, mean of {span} steps")
    held_out = [(entry["step"], entry["validation_loss"]) for entry in entries if "validation_loss" in entry]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), "o-", color="tab:red", markersize=4, label="held-out rows")
    axes.set(title=title, xlabel="optimizer step", ylabel="cross-entropy, nats a learned token")
    axes.grid(alpha=0.3)
    axes.legend()
    pictures.save(figure, out / "loss")
