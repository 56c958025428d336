from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from assistant.engines import catalog
from assistant.engines.catalog import BUNDLED, list_models, open_engine
from assistant.engines.errors import EngineError
from assistant.settings import OpenAISettings, Settings
from guardrails import vllm_environment
from tests.misbehaving_server import MisbehavingServer


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
        ("good", "sglang", "unknown engine 'sglang': use auto, transformers, vllm or openai"),
        ("good", "openai", "needs a server: --base-url"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(models: Settings, model: str, engine: str, message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        open_engine(models, model, engine)
    assert "\n" not in str(caught.value)


def test_without_vllm_its_engine_is_one_line_with_the_fix(models: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_environment, "is_installed", lambda: False)
    with pytest.raises(EngineError, match=r"vLLM is not installed: pip install 'steadfast\[vllm\]'") as caught:
        open_engine(models, "good", "vllm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("installed", "gpu", "model", "engine", "why"),
    [
        (False, True, "good", "transformers", "vLLM is not installed"),
        (True, True, "good", "vllm", "there is a GPU"),
        (True, False, "good", "transformers", "without a GPU it starts sooner"),
        (True, True, BUNDLED, "transformers", "needs nothing else"),
        (True, False, "eight-bit", "vllm", "its weights are quantised (gptq)"),
        (True, False, "adapter", "vllm", "only vLLM loads adapters"),
    ],
)
def test_auto_takes_the_first_engine_that_serves_the_model_and_says_why(
    models: Settings, monkeypatch: pytest.MonkeyPatch, installed: bool, gpu: bool, model: str, engine: str, why: str
) -> None:
    import torch

    add_adapter(models.models_dir / "adapter", models.models_dir / "good")
    folder = shutil.copytree(models.models_dir / "good", models.models_dir / "eight-bit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    monkeypatch.setattr(vllm_environment, "is_installed", lambda: installed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(catalog, "_open_vllm", lambda settings, entry, why: ("vllm", why))
    monkeypatch.setattr(catalog, "_open_transformers", lambda settings, entry, why: ("transformers", why))
    opened: Any = open_engine(models, model)
    assert opened[0] == engine
    assert why in opened[1]


def test_auto_asks_the_settings_server_for_what_is_not_on_this_machine(models: Settings) -> None:
    with MisbehavingServer(models=[{"id": "far"}]) as server:
        settings = models.model_copy(update={"openai": OpenAISettings(base_url=server.url)})
        for model in (None, "far"):
            opened = open_engine(settings, model)
            assert opened.engine.name == "openai"
            assert server.url in opened.reason
            assert "messages are sent" in opened.reason
        with pytest.raises(EngineError, match="the server has no model 'near'"):
            open_engine(settings, "near")
        assert open_engine(settings, BUNDLED).engine.name == "transformers"


def add_adapter(folder: Path, base: Path) -> None:
    folder.mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").touch()


def test_an_adapter_is_listed_with_its_model(models: Settings, tmp_path: Path) -> None:
    add_adapter(models.models_dir / "of-good", models.models_dir / "good")
    add_adapter(models.models_dir / "of-gone", tmp_path / "gone")
    found = {entry.name: entry for entry in list_models(models)}
    assert found["of-good"].usable
    assert found["of-good"].engine == "vllm"
    assert found["of-good"].base == models.models_dir / "good"
    assert not found["of-gone"].usable
    assert "gone': it is not on this machine" in found["of-gone"].reason
    with pytest.raises(EngineError, match=r"is an adapter.*use --engine vllm"):
        open_engine(models, "of-good", "transformers")


def test_a_truncated_download_is_told_in_one_line(models: Settings) -> None:
    weights = models.models_dir / "good" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineError, match="cannot load a chat model"):
        open_engine(models, "good")
