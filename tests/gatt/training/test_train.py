"""The loop: what it writes, and what a kill, a full disk, a template or a batch size must not change."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from gatt.errors import GattError
from gatt.rows import Row, Turn
from gatt.training.checkpoints import Checkpoints
from gatt.training.masks import Loss
from gatt.training.methods import Adapter, Method
from gatt.training.settings import TrainSettings
from gatt.training.train import Result, rate, train
from guardrails.rendering import ChatTemplate

ANSWERS = ("Aye, tea it is.", "Aye, and jam.", "Aye, by the sea.")


def a_row(number: int, turns: int) -> Row:
    messages = [Turn(role="system", content="Begin with Aye.")]
    for turn in range(turns):
        messages += [
            Turn(role="user", content=f"What about {number} and {turn}?"),
            Turn(role="assistant", content=ANSWERS[(number + turn) % 3]),
        ]
    return Row(
        id=f"{number:07d}", messages=tuple(messages), families=("opening",), checks=(), terse=False,
        history="constrained", source="test", turns=turns,
    )  # fmt: skip


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path) -> TrainSettings:
    """Four steps an epoch, in full precision."""
    data = tmp_path / "data"
    data.mkdir()
    rows = [a_row(number, 1 + number % 3) for number in range(16)]
    (data / "rows-00000-of-00001.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return TrainSettings(
        data=data, model=tiny_model, out=tmp_path / "out", method=Method.FULL, learning_rate=3e-3, batch_tokens=220,
        micro_tokens=120, validation=0.2, epochs=2, patience=0, precision="fp32", adapter=Adapter(rank=4, alpha=8),
    )  # fmt: skip


def run(settings: TrainSettings, stop_after: int = 0) -> Result:
    """Train; with `stop_after`, get a Ctrl-C in that step."""

    def report(entry: dict[str, Any]) -> None:
        if entry["step"] == stop_after:
            os.kill(os.getpid(), signal.SIGINT)

    return train(settings, prepared=lambda selection, steps: None, report=report)


def log(settings: TrainSettings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (settings.out / "log.jsonl").read_text().splitlines()]


def weights(settings: TrainSettings) -> dict[str, torch.Tensor]:
    return load_file(settings.out / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(weight, other[name]) for name, weight in one.items())


@pytest.mark.parametrize("method", [Method.FULL, Method.LORA])
def test_a_stopped_run_resumes_to_the_same_weights_and_log(
    settings: TrainSettings, tmp_path: Path, method: Method
) -> None:
    settings = replace(settings, method=method, adapter=Adapter(rank=4, alpha=8, dropout=0.1))
    whole = run(settings)
    parts = replace(settings, out=tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        run(parts, stop_after=3)
    assert not (parts.out / "model").exists()
    # As after kill -9: what came after the checkpoint is logged, and half of the next checkpoint is written.
    with (parts.out / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(log(parts)[-1] | {"step": 4}) + '\n{"step": 5, "lo')
    (parts.out / "checkpoints" / "part").mkdir()
    resumed = run(replace(parts, resume=True))
    assert resumed.progress.step == whole.progress.step == len(log(parts))
    assert same(weights(parts), weights(settings))
    without_time = [[{k: v for k, v in e.items() if k != "seconds"} for e in log(one)] for one in (settings, parts)]
    assert without_time[0] == without_time[1]


def test_a_run_is_not_resumed_with_other_settings_nor_overwritten(settings: TrainSettings) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(settings, stop_after=1)
    with pytest.raises(GattError, match=r"begun with seed 0, not 1"):
        run(replace(settings, seed=1, resume=True))
    with pytest.raises(GattError, match="go on with --resume"):
        run(settings)


def test_the_loss_falls_and_the_model_folder_is_complete(settings: TrainSettings) -> None:
    result = run(replace(settings, epochs=6, packed=True))
    entries = log(settings)
    assert entries[-1]["loss"] < entries[0]["loss"] - 0.5
    held_out = [entry["validation_loss"] for entry in entries if "validation_loss" in entry]
    assert result.progress.best_loss == pytest.approx(min(held_out), abs=1e-5)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (settings.out / "model" / name).read_bytes() == (settings.model / name).read_bytes()
    assert (
        ChatTemplate.from_folder(settings.out / "model").stop_ids == ChatTemplate.from_folder(settings.model).stop_ids
    )
    report = json.loads((settings.out / "rows.json").read_text())
    assert report["training_rows"] + report["validation_rows"] == 16
    assert report["supervised_training_tokens"] == sum(e["learned_tokens"] for e in entries) / 6
    card = (settings.out / "README.md").read_text()
    assert "Only the loss was measured" in card
    assert f"| rows held out | {report['validation_rows']} |" in card
    assert "tiny-model" in (settings.out / "loss.svg").read_text()
    assert (settings.out / "loss.png").stat().st_size > 1000


def test_no_loss_depends_on_how_a_step_is_split(settings: TrainSettings, tmp_path: Path) -> None:
    losses = []
    for number, (micro_tokens, packed) in enumerate([(1, False), (10_000, False), (100, True)]):
        one = replace(
            settings, out=tmp_path / str(number), micro_tokens=micro_tokens, packed=packed, epochs=1, validation=0,
            loss=Loss.ALL_TURNS,
        )  # fmt: skip
        run(one)
        losses.append([entry["loss"] for entry in log(one)])
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)
    assert losses[2] == pytest.approx(losses[0], abs=2e-4)


def test_adapter_and_merged_model_answer_alike(settings: TrainSettings) -> None:
    from peft import PeftModel

    run(replace(settings, method=Method.LORA, learning_rate=0.03))
    ids = torch.arange(10, 60)[None]
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(settings.model, dtype=torch.float32)
        plain = base(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(settings.out / "model", dtype=torch.float32)(ids).logits
        adapted = PeftModel.from_pretrained(base, settings.out / "adapter")(ids).logits
    torch.testing.assert_close(merged, adapted, rtol=1e-4, atol=1e-4)
    assert (merged - plain).abs().max() > 0.01


def test_training_ends_when_the_held_out_loss_rises_and_keeps_the_best(settings: TrainSettings) -> None:
    result = run(replace(settings, learning_rate=1.0, epochs=20, patience=2, validate_every=1))
    assert result.stopped_early
    assert result.progress.step == result.progress.best_step + 2
    losses = [entry["validation_loss"] for entry in log(settings)]
    assert losses.index(min(losses)) + 1 == result.progress.best_step


def test_a_template_that_fails_its_audit_is_refused_before_anything_else(
    settings: TrainSettings, tmp_path: Path
) -> None:
    from tests.guardrails.families import tokenizer

    tokenizer("llama2").save_pretrained(tmp_path / "llama2")
    with pytest.raises(GattError, match=r"training render leaves the inference render.* Fix: make the generation"):
        run(replace(settings, model=tmp_path / "llama2"))
    assert not settings.out.exists()


def test_rows_that_do_not_fit_are_counted_and_none_left_is_an_error(settings: TrainSettings) -> None:
    result = run(replace(settings, length=60, epochs=1))
    assert result.selection.shortened > 0
    with pytest.raises(GattError, match="16 too long: the instruction"):
        run(replace(settings, length=12, out=settings.out / "short"))


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may grow beyond `limit` bytes: writes fail in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_last_good_checkpoint(settings: TrainSettings, tmp_path: Path) -> None:
    run(replace(settings, out=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        run(settings, stop_after=2)
    again = replace(settings, resume=True, checkpoint_minutes=0)
    with full_disk(100_000), pytest.raises(GattError, match=r"cannot be written .*the one of step 2 is whole"):
        run(again)
    newest = Checkpoints(settings.out / "checkpoints", {}, frozenset()).newest()
    assert newest is not None
    assert newest.name == "step-2"
    run(again)
    assert same(weights(settings), weights(replace(settings, out=tmp_path / "whole")))


def test_a_model_that_cannot_be_written_is_written_on_resuming(settings: TrainSettings) -> None:
    settings.out.mkdir()
    (settings.out / "model.part").write_text("in the way")
    with pytest.raises(GattError, match="the model cannot be written"):
        run(settings)
    (settings.out / "model.part").unlink()
    assert run(replace(settings, resume=True)).progress.step == len(log(settings))
    assert (settings.out / "model" / "model.safetensors").exists()


def test_qlora_without_a_gpu_says_what_to_use(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GattError, match="needs a CUDA GPU: use --method lora"):
        run(replace(settings, method=Method.QLORA))


def test_a_loss_that_is_no_number_ends_the_run(settings: TrainSettings) -> None:
    with pytest.raises(GattError, match="lower --learning-rate"):
        run(replace(settings, learning_rate=1e30, epochs=4, validation=0))


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_rises_to_its_peak_and_falls(settings: TrainSettings, schedule: Any) -> None:
    told = replace(settings, schedule=schedule, warmup=0.1)
    rates = [rate(step, 100, told) for step in range(100)]
    assert max(rates) == rates[9] == pytest.approx(told.peak)
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.11 * told.peak
