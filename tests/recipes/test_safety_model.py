"""The safety model's way from training into the package: rounded, measured, its card written, and only then copied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled
from guardrails.reward.model import RewardModel
from recipes.bundled_safety import card, operating, train
from recipes.bundled_safety.bundle import bundle
from recipes.bundled_safety.config import Recipe, load
from recipes.bundled_safety.export import TooLargeError, export, size_mb
from tests.guardrails.reward.models import save

HALF = {"value": 0.5, "low": 0.4, "high": 0.6}
COUNTS = {
    "rows": {"train": {"safe prompts": 1234}, "test": {"safe prompts": 7, "pairs": 2}},
    "sources": {"asks": {"safe prompts": {"train": 1234, "test": 7}}},
    "dropped": {"asks": {"met": 1300, "near a test": 59}},
    "licenses": {"asks": "MIT"},
}


def asked(text: str, reply: str = "") -> Labelled:
    return Labelled("x", Exchange((Message("user", text),), reply), True)


def figures(folder: Path, auroc: float) -> None:
    """What the commands write, with made-up numbers."""
    folder.mkdir(parents=True)
    labelled = [
        {
            "name": f"test-{kind}.jsonl",
            "safe": 10,
            "unsafe": 11,
            "auroc": {"value": auroc, "low": 0.1, "high": 0.9},
            "auprc": HALF,
            "recall": {"0.01": HALF, "0.05": HALF},
        }
        for kind in ("prompts", "replies")
    ]
    prompts = {"name": "bench.csv", "rate": 0.01, "recall": HALF, "harmful": 5, "false_positives": HALF, "benign": 6}
    measured = {
        "version": "abc123",
        "labelled": labelled,
        "pairs": {"hh_harmless, 9 pairs": HALF},
        "prompts": [prompts],
        "latency": {"p50_ms": 12.3, "p95_ms": 45.6},
    }
    judged = {kind: {"safe": 99, "thresholds": {"0.01": 0.1234}} for kind in ("prompts", "replies")}
    calibrated = {"error_before": 0.25, "error_after": 0.05, "judged": judged}
    sets = [
        {"group": group, "set": "some", "judged": "prompts", "n": 8, "called unsafe": {"0.01": HALF}}
        for group in ("safe", "benign", "harmful", "test, safe", "test, unsafe")
    ]
    for name, found in (("measured", measured), ("calibrated", calibrated), ("operating", sets)):
        (folder / f"{name}.json").write_text(json.dumps(found))
    (folder / "rounded").mkdir()
    (folder / "rounded" / "model.safetensors").write_bytes(bytes(300_000))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for base, auroc in zip(load().bases, (0.7, 0.8), strict=True):
        figures(tmp_path / "runs" / base.name, auroc)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "counts.json").write_text(json.dumps(COUNTS))
    return tmp_path


def test_a_model_is_rounded_to_half_its_size_and_scores_the_same(tmp_path: Path) -> None:
    model = save(tmp_path / "model", "encoder")
    export(model, tmp_path / "rounded", limit_mb=10)
    rounded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rounded", dtype="auto")
    assert rounded.dtype == torch.bfloat16
    weights = [(folder / "model.safetensors").stat().st_size for folder in (model, tmp_path / "rounded")]
    assert weights[1] == pytest.approx(weights[0] / 2, rel=0.02)
    one = asked("Hello?", "Hello.").exchange
    exact, near = (RewardModel.load(folder).scores([one]) for folder in (model, tmp_path / "rounded"))
    assert near == pytest.approx(exact, abs=0.05)


def test_a_model_that_is_too_large_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="may carry"):
        export(save(tmp_path / "model", "encoder"), tmp_path / "rounded", limit_mb=0.1)
    assert not (tmp_path / "rounded").exists()


def test_finished_steps_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load()
    base = recipe.bases[1]
    folder = tmp_path / "runs" / base.name
    asked_for: list[str] = []

    def pretended(*words: object) -> None:
        asked_for.append(f"{words[0]}{' --resume' if '--resume' in words else ''}")
        if words[0] == "train":
            save(folder / "model", "encoder")
        else:
            Path(str(words[list(words).index("--json") + 1])).write_text("{}")

    monkeypatch.setattr(train, "guardrails", pretended)
    (folder / "checkpoints").mkdir(parents=True)
    train.run(recipe, base, tmp_path, tmp_path)
    assert asked_for == ["train --resume", "calibrate", "eval"]
    train.run(recipe, base, tmp_path, tmp_path)
    assert len(asked_for) == 3
    (folder / "measured.json").unlink()
    train.run(recipe, base, tmp_path, tmp_path)
    assert asked_for[3:] == ["eval"]


def test_shares_are_counted_below_the_thresholds_of_what_is_judged(tmp_path: Path) -> None:
    model = save(tmp_path / "model", "encoder")
    sets = {("safe", "some"): [asked("Hello?"), asked("Bye.")], ("safe", "other"): [asked("Hello?", "Yes.")]}
    judged = {"prompts": {"thresholds": {"0.01": 0.0}}, "replies": {"thresholds": {"0.01": 1.1}}}
    found = operating.measure(model, {"judged": judged}, sets)
    assert [(one["set"], one["n"], one["called unsafe"]["0.01"]["value"]) for one in found] == [
        ("some", 2, 0.0),
        ("other", 1, 1.0),
    ]


def test_a_base_that_is_not_trained_is_named_in_the_card(out: Path) -> None:
    first, second = load().bases
    (out / "runs" / second.name / "operating.json").unlink()
    card.main(out)
    assert f"Not trained yet, so not compared: {second.title}." in (out / "runs" / first.name / "README.md").read_text()
    assert not (out / "runs" / second.name / "README.md").exists()
    assert json.loads((out / "choice.json").read_text())["chosen"] == first.name


def test_the_card_says_what_was_measured_and_leaves_no_gap(out: Path) -> None:
    card.main(out)
    text = (out / "runs" / load().bases[1].name / "README.md").read_text()
    for said in (
        "0.1234",
        "50.0 % (40.0 to 60.0)",
        "0.800 (0.100 to 0.900)",
        "1,234",
        "| asks | MIT |",
        "59",
        "0.3 MB",
    ):
        assert said in text, said
    assert "@" not in text


def test_the_base_that_is_better_on_what_was_kept_back_is_bundled_and_no_other(out: Path, tmp_path: Path) -> None:
    card.main(out)
    chosen = json.loads((out / "choice.json").read_text())["chosen"]
    assert chosen == load().bases[1].name
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "old.bin").write_bytes(b"old")
    assert bundle(out, tmp_path / "package", 50) == pytest.approx(0.3)
    assert sorted(file.name for file in (tmp_path / "package").iterdir()) == ["README.md", "model.safetensors"]
    assert size_mb(tmp_path / "package") > 0.3
    with pytest.raises(TooLargeError):
        bundle(out, tmp_path / "package", 0.1)


def test_a_recipe_with_a_word_it_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="sped"):
        Recipe.model_validate(load().model_dump() | {"sped": 1})
