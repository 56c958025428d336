from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from assistant.engines.catalog import BUNDLED, list_models, open_engine
from assistant.engines.errors import EngineError
from assistant.settings import Settings


@pytest.fixture
def models(tmp_path: Path, tiny_model: Path) -> Settings:
    """A models folder with one good model and one of each kind of bad one."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_model, folder / "good")
    for name in ("no-weights", "no-template", "no-tokenizer", "encoder", "broken-config"):
        shutil.copytree(tiny_model, folder / name)
    (folder / "no-weights" / "model.safetensors").unlink()
    (folder / "no-template" / "chat_template.jinja").unlink()
    (folder / "no-tokenizer" / "tokenizer.json").unlink()
    config = json.loads((tiny_model / "config.json").read_text())
    (folder / "encoder" / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    (folder / "broken-config" / "config.json").write_text("{")
    return Settings(models_dir=folder)


def test_each_unusable_model_says_why(models: Settings) -> None:
    found = {entry.name: entry for entry in list_models(models)}
    assert next(iter(found)) == BUNDLED
    assert found["good"].usable
    reasons = {name: entry.reason for name, entry in found.items() if not entry.usable and name != BUNDLED}
    for name, word in {
        "no-weights": "weights",
        "no-template": "chat template",
        "no-tokenizer": "tokenizer.json",
        "encoder": "BertModel",
        "broken-config": "config.json",
    }.items():
        assert word in reasons.pop(name)
    assert not reasons


def test_models_of_the_hugging_face_cache_are_found(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    shutil.copytree(tiny_model, tmp_path / "models--org--chat-model" / "snapshots" / "abc")
    found = {entry.name: entry.usable for entry in list_models(Settings(models_dir=tmp_path / "none"))}
    assert found["org/chat-model"]


async def test_a_model_opens_by_name_and_by_folder(models: Settings, tiny_model: Path) -> None:
    for wanted in ("good", str(tiny_model)):
        opened = open_engine(models, wanted)
        assert opened.engine.name == "transformers"
        assert not opened.is_demo
        await opened.engine.close()


@pytest.mark.parametrize(
    ("model", "engine", "message"),
    [
        ("goud", "auto", "did you mean 'good'"),
        ("zzzzzz", "auto", "assistant models"),
        ("encoder", "auto", "cannot be used: BertModel"),
        ("good", "vllm", "unknown engine 'vllm'"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(models: Settings, model: str, engine: str, message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        open_engine(models, model, engine)
    assert "\n" not in str(caught.value)


def test_a_truncated_download_is_told_in_one_line(models: Settings) -> None:
    weights = models.models_dir / "good" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineError, match="cannot load a chat model"):
        open_engine(models, "good")
