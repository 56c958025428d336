"""Which models this machine can run, and opening one."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Engine
from assistant.settings import Settings

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model folder on this machine. `reason` says why it is not usable, or what it is."""

    name: str
    engine: str
    usable: bool
    reason: str
    path: Path


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded engine, and why it was the one."""

    engine: Engine
    reason: str
    is_demo: bool


def list_models(settings: Settings) -> list[ModelEntry]:
    """The bundled model, folders in the models folder, and chat models in the Hugging Face cache."""
    entries = [_entry(BUNDLED, BUNDLED_FOLDER)]
    if settings.models_dir.is_dir():
        entries += [_entry(f.name, f) for f in sorted(settings.models_dir.iterdir()) if f.is_dir()]
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
    for repository in sorted(cache.expanduser().glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/")
        snapshots = sorted((repository / "snapshots").glob("*"), key=lambda s: s.stat().st_mtime)
        if snapshots:
            entries.append(_entry(name, snapshots[-1]))
    return entries


def open_engine(settings: Settings, model: str | None = None, engine: str = "auto") -> Opened:
    """Load a model by name or folder (default: the setting, else the bundled one). Takes seconds.

    Raises:
        EngineError: unknown model, unusable model, or an engine this version does not have.
    """
    if engine not in ("auto", "transformers"):
        raise EngineError(f"unknown engine '{engine}': use auto or transformers")
    entry = _find(settings, model or settings.model or BUNDLED)
    if not entry.usable:
        raise EngineError(f"model '{entry.name}' cannot be used: {entry.reason}")
    from assistant.engines.transformers_engine import TransformersEngine

    is_demo = entry.path == BUNDLED_FOLDER
    why = "the bundled model needs nothing else" if is_demo else "it runs any local chat model"
    load = None
    if is_demo:
        from assistant.engines.quick_start import load_bundled

        load = load_bundled
    loaded = TransformersEngine(entry.path, model=entry.name, threads=settings.threads, load=load)
    return Opened(loaded, f"transformers, as {why}", is_demo)


def _find(settings: Settings, model: str) -> ModelEntry:
    entries = {entry.name: entry for entry in list_models(settings)}
    if model in entries:
        return entries[model]
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _entry(folder.resolve().name, folder)
    near = difflib.get_close_matches(model, entries, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see `assistant models`, or give a model's folder"
    raise EngineError(f"there is no model '{model}': {hint}")


def _entry(name: str, folder: Path) -> ModelEntry:
    problem = _problem(folder)
    return ModelEntry(name, "transformers", not problem, problem or _describe(folder), folder)


def _problem(folder: Path) -> str:
    """Why a folder cannot be served as a chat model, with the fix; empty when it can."""
    config = _read(folder / "config.json")
    if not config:
        return "no readable config.json: give a Hugging Face model folder"
    names = config.get("architectures") or ["unknown"]
    if not any(str(name).endswith("ForCausalLM") for name in names):
        return f"{names[0]} is not a text-generating model (ForCausalLM)"
    if not any(folder.glob("*.safetensors")):
        return "no *.safetensors weights: the download is incomplete, or the weights have an older format"
    if not (folder / "tokenizer.json").exists():
        return "no tokenizer.json: save the tokenizer as a fast tokenizer"
    if not (folder / "chat_template.jinja").exists() and not _read(folder / "tokenizer_config.json").get(
        "chat_template"
    ):
        return "no chat template: this is a base model; use its instruct or chat version"
    return ""


def _describe(folder: Path) -> str:
    megabytes = sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 1e6
    demo = ", demonstration model" if folder == BUNDLED_FOLDER else ""
    return f"{megabytes:,.0f} MB of weights{demo}"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
