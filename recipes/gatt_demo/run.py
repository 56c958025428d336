"""The whole of Ghost Attention on a small model, from random weights to the table: `make gatt-demo`.

    python -m recipes.gatt_demo.run --out .gatt-demo

The model and its world are made here, the rest is done by the `gatt` commands, each of which is printed. Run it again
after an interruption and it goes on; finished stages are skipped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from gatt import families
from recipes.bundled_chat.ghost import gatt
from recipes.gatt_demo import base, table, world
from recipes.gatt_demo.world import World

SEED = 1
LISTS = Path(__file__).with_name("families.toml")
TOLD = ("figure", "hobby", "persona", "opening", "closing", "vocabulary", "address", "case", "format", "json")
# Never in a training row of Ghost Attention; the baseline knows them as well as the others.
HELD_OUT = ("emoji", "sentence")
DIALOGUES = 600
TURNS = (1, 30)
ROWS = 3600
PER_DIALOGUE = 6
CASES = 200
REPLY = 48


def demo_world() -> World:
    return world.read(families.load(LISTS), (*TOLD, *HELD_OUT))


def write_dialogues(made: World, path: Path, seed: int) -> None:
    """Dialogues without instructions, one a line. Nobody asks for name, hobby or job: answers would remind of them."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(DIALOGUES):
            rng = Random(f"plain/{seed}/{number}")
            chat = world.messages(made.plain(rng.randint(5, 25), rng, asking=0.0))
            file.write(json.dumps({"messages": [asdict(message) for message in chat]}) + "\n")


def build(out: Path, folder: Path, history: str) -> None:
    """Build the dataset in `folder`, if it is not there."""
    if (folder / "manifest.json").exists():
        return
    words = ["build-dataset", "--model", out / "base", "--source", out / "plain.jsonl", "--lists", LISTS]
    words += ["--families", ",".join((*TOLD, *HELD_OUT)), "--hold-out", ",".join(HELD_OUT), "--history", history]
    words += ["--n", ROWS, "--per-dialogue", PER_DIALOGUE, "--k", 1, "--turns", "{}-{}".format(*TURNS)]
    words += ["--max-tokens", REPLY, "--temperature", 0.5]
    gatt(*words, "--seed", SEED, "--out", folder, *(["--resume"] if folder.exists() else []))


def tune(out: Path, data: Path, folder: Path, loss: str) -> None:
    """Train the baseline on the dataset, if that is not done: `folder`/model."""
    if (folder / "model" / "model.safetensors").exists():
        return
    words = ["train", "--data", data, "--model", out / "base", "--method", "full", "--loss", loss, "--epochs", 2]
    words += ["--learning-rate", 1e-3, "--batch-tokens", 8192, "--micro-tokens", 4096, "--seed", SEED]
    gatt(*words, "--out", folder, *(["--resume"] if (folder / "checkpoints").exists() else []))


def evaluate(out: Path, result: Path) -> None:
    """All arms at all turns, on dialogues that no stage before has seen."""
    words = ["eval", "--model", out / "tuned" / "model", "--baseline", out / "base", "--arms", "baseline,reminder,gatt"]
    words += ["--families", ",".join((*TOLD, *HELD_OUT)), "--hold-out", ",".join(HELD_OUT), "--lists", LISTS]
    words += ["--turns", "2,4,6,20,60", "--history", "compliant,violating", "--n", CASES, "--max-tokens", REPLY]
    words += ["--source", out / "unseen.jsonl", "--seed", SEED, "--chart", result.with_suffix(".svg")]
    gatt(*words, "--json", result, "--resume")


@contextmanager
def stage(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"== {name}", flush=True)
    yield
    print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)


def prepare(out: Path) -> None:
    """The baseline and the dialogues, where they are not there yet."""
    made = demo_world()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "base" / "tokenizer.json").exists():
        base.train_base(made, base.DEMO, out, SEED)
    for name, seed in (("plain", SEED), ("unseen", SEED + 1)):
        write_dialogues(made, out / f"{name}.jsonl", seed)


def main(
    out: Annotated[Path, typer.Option(help="Working folder: model, dataset, results.")] = Path(".gatt-demo"),
) -> None:
    """Baseline, dataset, tuning, evaluation, table."""
    started = time.monotonic()
    with stage("a baseline from random weights"):
        prepare(out)
    with stage("Ghost Attention's dataset"):
        build(out, out / "data", "original")
    with stage("tuning"):
        tune(out, out / "data", out / "tuned", "last-turn")
    with stage("evaluation"):
        evaluate(out, out / "eval.json")
    table.main(out / "eval.json")
    print(f"chart: {out / 'eval.svg'}. {(time.monotonic() - started) / 60:.1f} minutes in all")


if __name__ == "__main__":
    typer.run(main)
