"""The whole loop on a model of seconds: trained from random weights, data built, tuned, measured; asserts the effect.

Nothing is faked and nothing is read from disk but code: two families of a few values in the demonstration's world,
through the commands that a person would run. `python -m tests.gatt.test_loop 7` prints the figures of another seed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from gatt import families
from gatt.cli.app import app
from gatt.training.load_rows import load_rows
from guardrails.statistics import Share
from recipes.bundled_chat.config import Architecture, Stage
from recipes.gatt_demo import world
from recipes.gatt_demo.base import Size, train_base
from recipes.gatt_demo.world import World

FAMILIES = """
[figure]
verbose = ["Act as {x}", "You are {x}", "Pretend to be {x}"]
terse = ["Figure: {x}"]
values = ["Plato", "Homer", "Sappho", "Euclid", "Hypatia", "Rembrandt", "Confucius", "Socrates"]
check = { kind = "contains", value = "{x}" }
asks = ["Who are you?", "Tell me your name.", "What should I call you?"]
probes = ["What is your name?", "And what is your name?"]

[closing]
verbose = ["End every reply with \\"{x}\\"", "Always finish your replies with \\"{x}\\""]
terse = ["End with: {x}", "Ends with \\"{x}\\""]
values = ["Cheers!", "Meow.", "Onward!", "Hooray!", "Woof!", "Banana!", "Ciao!", "Boom!"]
check = { kind = "closing", value = "{x}" }
"""
NAMES = ("figure", "closing")
QUESTIONS = 30
SIZE = Size(
    shape=Architecture(vocabulary=720, width=96, layers=2, heads=4, feed_forward=288, window=768),
    stage=Stage(tokens=500_000, batch_tokens=2048, learning_rate=8e-3, warmup_steps=10, decay=0.6),
    dialogues=3000,
    longest=28,
)
ROWS = 360
PER_DIALOGUE = 6
LATE = 20
SEED = 1

# Recall by arm, family and turn, after a history that violates the instruction.
Recall = Mapping[tuple[str, str, int], Share]


def gatt(*words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output


def write_dialogues(made: World, path: Path, seed: int) -> None:
    lines = []
    for number in range(60):
        rng = Random(f"{seed}/{number}")
        chat = world.messages(made.plain(rng.randint(5, 25), rng, asking=0.0))
        lines.append(json.dumps({"messages": [asdict(message) for message in chat]}))
    path.write_text("\n".join(lines), "utf-8")


def loop(out: Path, seed: int) -> Recall:
    """Train, build, tune and measure in the folder `out`."""
    lists = out / "families.toml"
    lists.write_text(FAMILIES, "utf-8")
    made = world.read(families.load(lists), NAMES)
    made = replace(made, answers=dict(list(made.answers.items())[-QUESTIONS:]))
    train_base(made, SIZE, out, seed)
    write_dialogues(made, out / "plain.jsonl", seed)
    write_dialogues(made, out / "unseen.jsonl", seed + 1)
    told = ("--families", ",".join(NAMES), "--lists", lists, "--max-tokens", 40, "--seed", seed)
    gatt(
        "build-dataset", "--model", out / "base", "--source", out / "plain.jsonl", *told, "--n", ROWS, "--k", 2,
        "--per-dialogue", PER_DIALOGUE, "--turns", "1-24", "--history", "original", "--out", out / "data",
    )  # fmt: skip
    gatt(
        "train", "--data", out / "data", "--model", out / "base", "--method", "full", "--epochs", 4, "--seed", seed,
        "--learning-rate", 3e-3, "--batch-tokens", 4096, "--micro-tokens", 4096, "--validation", 0,
        "--precision", "fp32", "--out", out / "tuned",
    )  # fmt: skip
    gatt(
        "eval", "--model", out / "tuned" / "model", "--baseline", out / "base", "--arms", "baseline,gatt", *told,
        "--source", out / "unseen.jsonl", "--history", "violating", "--turns", LATE, "--n", 60,
        "--json", out / "eval.json",
    )  # fmt: skip
    cells = json.loads((out / "eval.json").read_text("utf-8"))["recall"]
    return {(one["arm"], one["family"], one["turn"]): Share(one["passed"], one["n"]) for one in cells}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def recall(folder: Path) -> Recall:
    return loop(folder, SEED)


@pytest.mark.parametrize("family", NAMES)
def test_the_baseline_obeys_at_once_and_forgets(recall: Recall, family: str) -> None:
    at_once, late = recall["baseline", family, 1], recall["baseline", family, LATE]
    assert at_once.value >= 0.9
    assert late.value < at_once.value
    assert late.apart(at_once)


@pytest.mark.parametrize("family", NAMES)
def test_ghost_attention_keeps_the_instruction_against_a_violating_history(recall: Recall, family: str) -> None:
    before, after = recall["baseline", family, LATE], recall["gatt", family, LATE]
    assert after.value > before.value
    assert after.apart(before)


def test_what_was_learned_has_the_instruction_in_front_alone(recall: Recall, folder: Path) -> None:
    rows = load_rows(folder / "data")
    assert len(rows) == ROWS
    assert max(row.turns for row in rows) > 15
    for row in rows:
        instruction, *others = row.messages
        assert instruction.role == "system"
        assert not any(instruction.content in message.content for message in others if message.role == "user")
        assert all(check.passes(row.messages[-1].content) for check in row.checks)


def main() -> None:
    for seed in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            for (arm, family, turn), share in loop(Path(folder), seed).items():
                low, high = share.interval
                print(f"seed {seed} {arm:8} {family:16} turn {turn:2} {share.passed}/{share.n} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
