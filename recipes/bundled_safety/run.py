"""From data to two measured models and their cards with one command; run it again after an interruption and it goes on.

    python -m recipes.bundled_safety.run --data DIR --chat DIR --evals DIR --out WORK

`--data` holds the safety data, `--chat` the chat data, `--evals` the public test sets, all named in config.toml. The
better model is put into the package by `python -m recipes.bundled_safety.bundle --out WORK`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from recipes.bundled_safety import card, operating, prepare, train
from recipes.bundled_safety.config import load


def main(
    data: Annotated[Path, typer.Option(help="Folder of the safety data.", exists=True, file_okay=False)],
    chat: Annotated[Path, typer.Option(help="Folder of the chat data.", exists=True, file_okay=False)],
    evals: Annotated[Path, typer.Option(help="Folder of the public test sets.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Working folder: data, runs, figures.")],
    config: Annotated[Path | None, typer.Option(help="Another config.toml.")] = None,
) -> None:
    """Data, then each base trained, rounded, calibrated and measured, then the cards; finished steps are skipped."""
    for needed in ("matplotlib", "sklearn", "accelerate"):  # needed last, an hour from now
        if not find_spec(needed):
            raise SystemExit(f"this recipe needs {needed}: pip install 'steadfast[train]'")
    recipe = load(config) if config else load()
    if not (out / "data" / "counts.json").exists():
        prepare.main(data, chat, evals, out, config)
    for base in recipe.bases:
        train.run(recipe, base, evals, out)
        folder = out / "runs" / base.name
        if not (folder / "operating.json").exists():
            operating.run(folder, recipe.evaluations, evals, out / "data")
    card.main(out, config)


if __name__ == "__main__":
    typer.run(main)
