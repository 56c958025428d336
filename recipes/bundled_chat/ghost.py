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

from gatt.training.load_rows import load_rows
from recipes.bundled_chat import chats, values
from recipes.bundled_chat.config import CHARACTERS, Ghost, Pass, Recipe, Round, load
from recipes.bundled_chat.dialogues import dialogues


def gatt(*words: object) -> None:
    """Run a gatt command. Raises SystemExit with its code if it fails."""
    command = [sys.executable, "-m", "gatt.cli.app", *map(str, words)]
    print("$ gatt", shlex.join(map(str, words)), flush=True)
    if code := subprocess.run(command).returncode:
        raise SystemExit(code)


def build(recipe: Ghost, model: Path, source: Path, lists: Path, out: Path, *words: object) -> None:
    """`words`: which families, how many rows, the seed and what else differs from build to build."""
    if (out / "manifest.json").exists():
        return
    told: list[object] = ["--model", model, "--source", source, "--out", out, "--lists", CHARACTERS, "--lists", lists]
    told += ["--k", recipe.candidates, "--turns", recipe.turns, "--history", recipe.history, "--ask", recipe.ask]
    told += ["--per-dialogue", recipe.per_dialogue]
    told += ["--temperature", recipe.temperature, "--max-tokens", recipe.max_tokens, *words]
    gatt("build-dataset", *told, *(["--resume"] if out.exists() else []))


def rows(recipe: Ghost, round: Round, model: Path, lists: Path, folder: Path) -> Path:
    """The rows of a round: those of all families with copies of other values, then those of the shipped personas."""
    source, found, more = folder / "chats.jsonl", folder / "gatt-data", folder / "gatt-data-more"
    if not source.exists():
        chats.main(source, recipe.dialogues, round.seed, round.orders)
    shares = ["--families", ",".join(recipe.families), "--most", recipe.most, "--plain", recipe.plain]
    build(recipe, model, source, lists, found, "--n", round.rows, "--seed", round.seed, *shares)
    if not (more / "manifest.json").exists():
        gatt("revalue", found, "--copies", recipe.copies, "--lists", CHARACTERS, "--lists", lists, "--out", more)
    if not round.persona_rows:
        return more
    personas, both = folder / "gatt-personas", folder / "rows.jsonl"
    count = ["--n", round.persona_rows, "--seed", round.seed]
    build(recipe, model, source, lists, personas, *count, "--families", "character", "--most", 1)
    with both.open("w", encoding="utf-8") as lines:
        for row in load_rows(more):
            lines.write(row.model_dump_json() + "\n")
        for row in load_rows(personas):  # both count their rows and dialogues from 0
            renamed = {"id": f"personas-{row.id}", "dialogue_id": f"personas-{row.dialogue_id}"}
            lines.write(row.model_copy(update=renamed).model_dump_json() + "\n")
    return both


def write_rehearsal(recipe: Recipe, which: Pass, seed: int, file: Path) -> None:
    """Dialogues of the kinds that the tunings had, by a seed of their own."""
    with file.open("w", encoding="utf-8") as lines:
        for count, firm in ((which.rehearsed, False), (which.firm, True)):
            for chat in dialogues(recipe.seed + seed, count, firm=firm):
                turns = [{"role": message.role, "content": message.content} for message in chat]
                lines.write(json.dumps({"messages": turns}) + "\n")


def tune(recipe: Ghost, model: Path, data: Path, rehearsal: Path | None, out: Path) -> None:
    words: list[object] = ["train", "--data", data, "--model", model, "--out", out, "--method", "full"]
    if rehearsal is not None:
        words += ["--rehearse", rehearsal]
    words += ["--loss", "last-turn", "--epochs", 1]
    words += ["--learning-rate", recipe.learning_rate, "--batch-tokens", recipe.batch_tokens]
    gatt(*words, *(["--resume"] if (out / "checkpoints").exists() else []))


def finished(recipe: Ghost, out: Path) -> Path:
    """The model of the last round."""
    passes = sum(len(round.passes) for round in recipe.rounds)
    return out / f"round-{len(recipe.rounds)}" / f"pass-{passes}" / "model"


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Build rows with the tuned model and train on them, round after round: `DIR`/round-N/pass-M/model."""
    recipe, model = load(), out / "firm"
    lists, ghost, passes = out / "values.toml", recipe.ghost_attention, 0
    if not lists.exists():
        values.main(lists)
    for number, round in enumerate(ghost.rounds, start=1):
        folder = out / f"round-{number}"
        folder.mkdir(exist_ok=True)
        data = rows(ghost, round, model, lists, folder)
        for which in round.passes:
            passes += 1
            tuned, rehearsal = folder / f"pass-{passes}", folder / f"rehearsal-{passes}.jsonl"
            if (which.rehearsed or which.firm) and not rehearsal.exists():
                write_rehearsal(recipe, which, passes + 1, rehearsal)
            if not (tuned / "model" / "tokenizer.json").exists():
                tune(ghost, model, data, rehearsal if rehearsal.exists() else None, tuned)
            model = tuned / "model"


if __name__ == "__main__":
    typer.run(main)
