"""Ghost Attention on the tuned model, by the `gatt` commands themselves: what anybody would run on their own model.

Run `python -m recipes.bundled_chat.ghost --out DIR` after tuning; run it again to resume. Every command is printed.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from recipes.bundled_chat import chats, values
from recipes.bundled_chat.config import HERE, Ghost, Recipe, load
from recipes.bundled_chat.dialogues import dialogues

CHARACTERS = HERE / "characters.toml"


def gatt(*words: object) -> None:
    """Run a gatt command. Raises SystemExit with its code if it fails."""
    command = [sys.executable, "-m", "gatt.cli.app", *map(str, words)]
    print("$ gatt", shlex.join(map(str, words)), flush=True)
    if code := subprocess.run(command).returncode:
        raise SystemExit(code)


def build(recipe: Ghost, model: Path, source: Path, lists: Path, out: Path) -> None:
    words = ["build-dataset", "--model", model, "--source", source, "--out", out]
    words += ["--lists", CHARACTERS, "--lists", lists]
    words += ["--families", ",".join(recipe.families), "--n", recipe.rows, "--k", recipe.candidates]
    words += ["--turns", recipe.turns, "--most", recipe.most, "--history", recipe.history]
    words += ["--per-dialogue", recipe.per_dialogue, "--plain", recipe.plain, "--ask", recipe.ask]
    words += ["--temperature", recipe.temperature]
    words += ["--max-tokens", recipe.max_tokens, "--seed", recipe.seed]
    gatt(*words, *(["--resume"] if out.exists() else []))


def revalue(recipe: Ghost, data: Path, lists: Path, out: Path) -> None:
    gatt("revalue", data, "--copies", recipe.copies, "--lists", CHARACTERS, "--lists", lists, "--out", out)


def finished(recipe: Ghost, out: Path) -> Path:
    """The model that ships."""
    return out / f"rehearsed-{recipe.rehearsals}" / "model"


def write_rehearsal(recipe: Recipe, file: Path, number: int) -> None:
    """Dialogues of the kinds that the first tuning had, by a seed of their own."""
    with file.open("w", encoding="utf-8") as lines:
        for chat in dialogues(recipe.seed + 2 + number, recipe.ghost_attention.rehearsed):
            turns = [{"role": message.role, "content": message.content} for message in chat]
            lines.write(json.dumps({"messages": turns}) + "\n")


def tune(recipe: Ghost, model: Path, data: Path, out: Path, *rehearsal: Path) -> None:
    words = ["train", "--data", data, "--model", model, "--out", out, "--method", "full", "--loss", "last-turn"]
    for file in rehearsal:
        words += ["--rehearse", file]
    words += ["--epochs", recipe.epochs, "--learning-rate", recipe.learning_rate, "--batch-tokens", recipe.batch_tokens]
    gatt(*words, *(["--resume"] if (out / "checkpoints").exists() else []))


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Build the dataset with the tuned model; train on it, then on it beside rehearsals: `DIR`/rehearsed-N/model."""
    whole = load()
    recipe = whole.ghost_attention
    source, lists, data = out / "chats.jsonl", out / "values.toml", out / "gatt-data"
    if not source.exists():
        chats.main(source, recipe.dialogues, recipe.seed)
    if not lists.exists():
        values.main(lists)
    if not (data / "manifest.json").exists():
        build(recipe, out / "firm", source, lists, data)
    more = out / "gatt-data-more"
    if not (more / "manifest.json").exists():
        revalue(recipe, data, lists, more)
    if not (out / "ghost" / "model" / "tokenizer.json").exists():
        tune(recipe, out / "firm", more, out / "ghost")
    model = out / "ghost" / "model"
    for number in range(1, 1 + recipe.rehearsals):
        rehearsal, folder = out / f"rehearsal-{number}.jsonl", out / f"rehearsed-{number}"
        if not rehearsal.exists():
            write_rehearsal(whole, rehearsal, number)
        if not (folder / "model" / "tokenizer.json").exists():
            tune(recipe, model, more, folder, rehearsal)
        model = folder / "model"


if __name__ == "__main__":
    typer.run(main)
