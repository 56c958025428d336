"""Train, round, calibrate and measure a base, by the `guardrails` commands: as anybody would with their own model.

Run `python -m recipes.bundled_safety.train --evals DIR --out WORK` after the data is prepared; run it again to resume.
Every command is printed. What is measured is the rounded model, the one that ships.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from recipes.bundled_safety.base import folder_of
from recipes.bundled_safety.config import Base, Recipe, load
from recipes.bundled_safety.export import export


def guardrails(*words: object) -> None:
    """Run a guardrails command. Raises SystemExit with its code if it fails."""
    command = [sys.executable, "-m", "guardrails.cli.app", *map(str, words)]
    print("$ guardrails", shlex.join(map(str, words)), flush=True)
    if code := subprocess.run(command).returncode:
        raise SystemExit(code)


def tune(recipe: Recipe, base: Base, out: Path, run: Path) -> None:
    training = recipe.training
    words = ["train", out / "data" / "train.jsonl", "--base", folder_of(base, out), "--out", run, "--held-out", 0]
    words += ["--length", training.length, "--batch", training.batch, "--epochs", training.epochs]
    words += ["--learning-rate", base.learning_rate, "--pair-weight", training.pair_weight, "--seed", recipe.seed]
    guardrails(*words, *(["--resume"] if (run / "checkpoints").exists() else []))


def calibrate(recipe: Recipe, model: Path, out: Path, figures: Path) -> None:
    rates = ",".join(str(rate) for rate in recipe.rates)
    guardrails("calibrate", model, "--data", out / "data" / "calibrate.jsonl", "--rates", rates, "--json", figures)


def measure(recipe: Recipe, model: Path, evals: Path, out: Path, figures: Path) -> None:
    words: list[object] = ["eval", model]
    for name in ("test-prompts", "test-replies", "test-pairs"):
        words += ["--data", out / "data" / f"{name}.jsonl"]
    for one in recipe.evaluations:
        if one.role != "other":
            words += [f"--{one.role}", f"{evals / one.file}:{one.columns[0]}"]
    words += ["--benign", f"{out / 'data' / 'benign.jsonl'}:prompt"]
    guardrails(*words, "--json", figures, "--chart", figures.with_suffix(".svg"))


def run(recipe: Recipe, base: Base, evals: Path, out: Path) -> None:
    """All steps of one base, finished ones skipped, in `out`/runs/`base`."""
    folder = out / "runs" / base.name
    if not (folder / "model" / "tokenizer.json").exists():
        tune(recipe, base, out, folder)
    if not (folder / "rounded" / "tokenizer.json").exists():
        export(folder / "model", folder / "rounded", recipe.limit_mb)
    if not (folder / "calibrated.json").exists():
        calibrate(recipe, folder / "rounded", out, folder / "calibrated.json")
    if not (folder / "measured.json").exists():
        measure(recipe, folder / "rounded", evals, out, folder / "measured.json")


def main(
    evals: Annotated[Path, typer.Option(help="Folder of the public test sets.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe; holds the data.")],
    only: Annotated[str, typer.Option(help="Only this base.")] = "",
    config: Annotated[Path | None, typer.Option(help="Another config.toml.")] = None,
) -> None:
    """Every base, one after the other."""
    recipe = load(config) if config else load()
    for base in recipe.bases:
        if only in ("", base.name):
            run(recipe, base, evals, out)


if __name__ == "__main__":
    typer.run(main)
