"""`gatt build-dataset`, `inspect` and `make-lists` as a person runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from assistant.store.store import Store
from gatt.cli.app import app
from gatt.training.load_rows import load_rows
from tests.gatt.talking_engine import Speaker, TalkingEngine, obey

LISTS = """
[fruit]
verbose = ["Say {x} in every reply"]
terse = ["Fruit: {x}"]
values = ["apple", "mango"]
check = { kind = "contains", value = "{x}" }
"""

Gatt = Callable[..., Result]


@pytest.fixture
def gatt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gatt:
    """Runs a command in a folder with a source and a families file, on an engine that obeys."""
    monkeypatch.chdir(tmp_path)
    Path("lists.toml").write_text(LISTS)
    Path("chats.jsonl").write_text("".join(json.dumps({"turns": [f"q{i}", f"r{i}"]}) + "\n" for i in range(5)))

    def run(*words: str, speaker: Speaker = obey) -> Result:
        opened = SimpleNamespace(engine=TalkingEngine(speaker))
        monkeypatch.setattr("assistant.engines.catalog.open_engine", lambda *_: opened)
        return CliRunner().invoke(app, words)

    return run


BUILD = (
    "build-dataset",
    "--source",
    "chats.jsonl",
    "--lists",
    "lists.toml",
    "--families",
    "fruit",
    "-n",
    "4",
    "--out",
    "out",
)


def test_build_then_inspect(gatt: Gatt) -> None:
    built = gatt(*BUILD, "--turns", "2-3", "--seed", "5")
    assert built.exit_code == 0, built.output
    assert "out: 4 rows kept of 4 tried" in built.stdout
    assert [2 <= row.turns <= 3 for row in load_rows(Path("out"))] == [True] * 4
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert "model.safetensors" in manifest["settings"]["model_sha256"]
    seen = gatt("inspect", "out", "--check")
    assert seen.exit_code == 0, seen.output
    assert seen.stdout.count("⟦") == 3
    assert "4 of 4 rows would be trained on" in seen.stdout
    assert gatt("inspect", "out", "--row", "0000003").stdout.count("⟦") == 1
    assert "none of the 4 rows" in gatt("inspect", "out", "--family", "hobby").stderr


def test_build_goes_on_with_resume_only(gatt: Gatt) -> None:
    assert gatt(*BUILD).exit_code == 0
    assert "is not empty: go on there with --resume" in gatt(*BUILD).stderr
    assert gatt(*BUILD, "--resume").exit_code == 0
    assert "error: out was begun with other settings (k was 4 and is 5)" in gatt(*BUILD, "--resume", "--k", "5").stderr


def test_fewer_rows_than_wanted_are_told(gatt: Gatt) -> None:
    built = gatt(*BUILD, "--retries", "0", "--k", "1", speaker=lambda p, s: obey(p, s) if s % 30 == 0 else "no")
    assert "fewer than the 4 wanted" in built.stderr or "none of 50 rows" in built.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--source", "none.jsonl"), "source none.jsonl: No such file"),
        (("--source", "chats.jsonl", "--self-play", "tea"), "give one of --source"),
        (("--source", "chats.jsonl", "--feedback", "up"), "choose among --from-conversations"),
        (("--source", "chats.jsonl", "--turns", "5-2"), "LOW-HIGH"),
        (("--source", "chats.jsonl", "--distill-prefix", "Be kind."), "needs a reward model"),
        (("--source", "chats.jsonl", "--hold-out", "poem"), "no family 'poem'"),
        (("--from-conversations", "none.db"), "does not exist"),
        (("--source", "chats.jsonl", "--reward", "none"), "--reward"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(gatt: Gatt, words: tuple[str, ...], message: str) -> None:
    failed = gatt("build-dataset", "--out", "out", *words)
    assert failed.exit_code == 1, failed.output
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert not Path("out").exists()


def test_turns_that_are_no_range_are_refused(gatt: Gatt) -> None:
    assert "give LOW-HIGH" in gatt(*BUILD, "--turns", "many").stderr


def test_conversations_and_self_play_are_sources(gatt: Gatt) -> None:
    from assistant.personas.persona import Persona
    from assistant.store.records import NewMessage

    with Store.open("sqlite:///chats.db") as store:
        version = store.save_persona(Persona(name="pirate", title="Pirate", instruction="Speak.")).id
        store.add_messages(store.create_conversation(version).id, [NewMessage("user", "from the store")])
    rest = ("--lists", "lists.toml", "--families", "fruit", "-n", "2", "--turns", "1")
    stored = gatt(
        "build-dataset",
        "--from-conversations",
        "chats.db",
        "--persona",
        "pirate",
        "--since",
        "2020-01-01",
        *rest,
        "--out",
        "a",
    )
    assert stored.exit_code == 0, stored.output
    assert load_rows(Path("a"))[0].messages[1].content == "from the store"
    Path("topics.txt").write_text("tea\nrain\n")
    played = gatt("build-dataset", "--self-play", "topics.txt", *rest, "--out", "b")
    assert played.exit_code == 0, played.output
    assert load_rows(Path("b"))[0].source in ("tea", "rain")


def test_lists_are_made_and_used(gatt: Gatt) -> None:
    made = gatt("make-lists", "--families", "hobby", "-n", "2", "--out", "own.toml", speaker=lambda p, s: "Chess\nGolf")
    assert made.stdout == "hobby: 2 of 2 values\n", made.output
    again = gatt("make-lists", "--families", "hobby", "--out", "own.toml")
    assert "--force to replace it" in again.stderr


def test_a_reward_model_scores_with_its_one_label(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoConfig, AutoModelForSequenceClassification

    from gatt.dataset.reward import load_reward
    from gatt.errors import GattError
    from guardrails.messages import Message

    for labels in (1, 2):
        folder = tmp_path / str(labels)
        config = AutoConfig.from_pretrained(tiny_model, num_labels=labels, pad_token_id=0)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(tiny_model / file, folder)
    score = load_reward(tmp_path / "1")
    asked = [Message("user", "Hi")]
    assert score(asked, "Hello.") == score(asked, "Hello.") != score(asked, "Go away.")
    with pytest.raises(GattError, match="has 2 labels"):
        load_reward(tmp_path / "2")
