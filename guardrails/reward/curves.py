"""The loss of a training run by step, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path

from guardrails import pictures


def draw(out: Path) -> None:
    """Write `out`/loss.svg and `out`/loss.png from `out`/log.jsonl; nothing where there is no log."""
    log = out / "log.jsonl"
    if not log.is_file():
        return
    from matplotlib.figure import Figure

    # A resumed run repeats steps: the last counts.
    by_step = {
        entry["step"]: float(entry["loss"]) for entry in map(json.loads, log.read_text("utf-8").split("\n")[:-1])
    }
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(by_step), list(by_step.values()))
    axes.set(xlabel="optimizer step", ylabel="loss, nats an example (mean of 10 steps)", ylim=(0, None))
    axes.grid(alpha=0.3)
    pictures.save(figure, out / "loss")
