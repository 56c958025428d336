"""Put the chosen model where the product finds it.

Run `python -m recipes.bundled_safety.bundle --out WORK` after the cards are written.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from recipes.bundled_safety.base import REPOSITORY
from recipes.bundled_safety.config import load
from recipes.bundled_safety.export import TooLargeError, size_mb

BUNDLED = REPOSITORY / "guardrails" / "bundled"


def bundle(out: Path, target: Path, limit_mb: float) -> float:
    """Copy weights, calibration, tokenizer, template and card; their size in MB. Raises TooLargeError."""
    run = out / "runs" / json.loads((out / "choice.json").read_text("utf-8"))["chosen"]
    if (size := size_mb(run / "rounded")) > limit_mb:
        raise TooLargeError(f"{run / 'rounded'} takes {size:.1f} MB; the package may carry {limit_mb:g}")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run / "rounded", target)
    shutil.copy(run / "README.md", target)
    for file in target.iterdir():
        file.chmod(0o644)  # weights are saved for their owner's eyes alone
    return size


def main(
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
    target: Annotated[Path, typer.Option(help="Where the model goes; what is there is replaced.")] = BUNDLED,
) -> None:
    """Replace the bundled model by the chosen one."""
    print(f"{bundle(out, target, load().limit_mb):.1f} MB in {target}")


if __name__ == "__main__":
    typer.run(main)
