"""Which models this machine can run, and opening one."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from assistant.engines import model_folder
from assistant.engines.errors import EngineError
from assistant.engines.protocol import Engine
from assistant.settings import Settings
from guardrails import vllm_environment

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled"
ENGINES = ("auto", "transformers", "vllm", "openai")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model folder on this machine. `reason` says why it is not usable, or what it is.

    `base` is the folder of the model that a LoRA adapter belongs to; only adapters have one.
    """

    name: str
    engine: str
    usable: bool
    reason: str
    path: Path
    base: Path | None = None


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
    known = {entry.name: entry.path for entry in entries}
    return [_with_base(entry, known) for entry in entries]


def open_engine(settings: Settings, model: str | None = None, engine: str = "auto") -> Opened:
    """Load a model by name or folder (default: the setting, else the bundled one). Takes seconds.

    `auto` takes the first engine that can serve the model: a server, where the settings name one and the model is
    not one of this machine; vLLM for what it alone can serve, and where there is a GPU for it; else transformers.

    Raises:
        EngineError: unknown model, unusable model, or an engine that is not installed or not reached.
    """
    if engine not in ENGINES:
        raise EngineError(f"unknown engine '{engine}': use {', '.join(ENGINES[:-1])} or {ENGINES[-1]}")
    model = model or settings.model
    if engine == "openai":
        return _open_server(settings, None if model == BUNDLED else model, "as asked")
    if engine == "auto" and settings.openai.base_url and not (model and _is_here(settings, model)):
        return _open_server(settings, model, "as the settings name a server")
    entry = _find(settings, model or BUNDLED)
    if not entry.usable:
        raise EngineError(f"model '{entry.name}' cannot be used: {entry.reason}")
    chosen, why = _choose(entry) if engine == "auto" else (engine, "as asked")
    if chosen == "vllm":
        return _open_vllm(settings, entry, why)
    return _open_transformers(settings, entry, why)


def _choose(entry: ModelEntry) -> tuple[str, str]:
    """The engine for a model of this machine, and why."""
    if entry.base is not None:
        return "vllm", "as only vLLM loads adapters"
    if entry.path == BUNDLED_FOLDER:
        return "transformers", "as the bundled model needs nothing else"
    quantized = model_folder.quantization(entry.path)
    if not vllm_environment.is_installed():
        return "transformers", "as vLLM is not installed"
    if quantized:
        return "vllm", f"as its weights are quantised ({quantized})"
    import torch

    if torch.cuda.is_available():
        return "vllm", "as there is a GPU"
    return "transformers", "as without a GPU it starts sooner than vLLM"


def _open_server(settings: Settings, model: str | None, why: str) -> Opened:
    from assistant.engines.openai_engine import OpenAIEngine

    opened = OpenAIEngine(settings.openai, model=model)
    return Opened(opened, f"openai at {opened.server.base_url}, {why}; {opened.sends}", False)


def _open_vllm(settings: Settings, entry: ModelEntry, why: str) -> Opened:
    from assistant.engines.vllm_engine import VllmEngine

    base = entry.base or entry.path
    adapters = {name: _adapter(settings, name, base) for name in settings.vllm.adapters}
    if entry.base is not None:
        adapters[entry.name] = entry.path
    # Of an adapter the model itself is called by its folder.
    model = entry.name if entry.base is None else base.name
    opened = VllmEngine(base, model=model, settings=settings.vllm, threads=settings.threads, adapters=adapters)
    if entry.base is not None:
        opened = opened.with_adapter(entry.name)
    return Opened(opened, f"vllm, {why}", entry.path == BUNDLED_FOLDER)


def _open_transformers(settings: Settings, entry: ModelEntry, why: str) -> Opened:
    if entry.base is not None:
        raise EngineError(f"'{entry.name}' is an adapter, which transformers does not load here: use --engine vllm")
    from assistant.engines.transformers_engine import TransformersEngine

    is_demo = entry.path == BUNDLED_FOLDER
    load = None
    if is_demo:
        from assistant.engines.quick_start import load_bundled

        load = load_bundled
    loaded = TransformersEngine(entry.path, model=entry.name, threads=settings.threads, load=load)
    return Opened(loaded, f"transformers, {why}", is_demo)


def _is_here(settings: Settings, model: str) -> bool:
    return Path(model).expanduser().is_dir() or any(entry.name == model for entry in list_models(settings))


def _find(settings: Settings, model: str) -> ModelEntry:
    entries = {entry.name: entry for entry in list_models(settings)}
    if model in entries:
        return entries[model]
    folder = Path(model).expanduser()
    if folder.is_dir():
        known = {name: entry.path for name, entry in entries.items()}
        return _with_base(_entry(folder.resolve().name, folder), known)
    near = difflib.get_close_matches(model, entries, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see `assistant models`, or give a model's folder"
    raise EngineError(f"there is no model '{model}': {hint}")


def _adapter(settings: Settings, name: str, base: Path) -> Path:
    """The folder of an adapter that the settings name."""
    entry = _find(settings, name)
    if entry.base is None:
        raise EngineError(f"'{name}' among the adapters is no LoRA adapter whose model is on this machine")
    if entry.base.resolve() != base.resolve():
        raise EngineError(f"the adapter '{name}' belongs to {entry.base}, not to {base}")
    return entry.path


def _entry(name: str, folder: Path) -> ModelEntry:
    if model_folder.adapter_base(folder) is not None:
        return ModelEntry(name, "vllm", False, "", folder)
    problem = model_folder.problem(folder)
    if not problem and folder == BUNDLED_FOLDER:
        return ModelEntry(name, "transformers", True, f"{model_folder.size(folder)}, demonstration model", folder)
    return ModelEntry(name, "transformers", not problem, problem or model_folder.size(folder), folder)


def _with_base(entry: ModelEntry, known: dict[str, Path]) -> ModelEntry:
    """An adapter's entry with the model that it belongs to, where that is on this machine; others as they are."""
    wanted = model_folder.adapter_base(entry.path)
    if wanted is None:
        return entry
    base = known.get(wanted) or Path(wanted)
    problem = model_folder.problem(base) if base.is_dir() else "it is not on this machine"
    if problem:
        reason = f"adapter of '{wanted}': {problem}"
        return ModelEntry(entry.name, "vllm", False, reason, entry.path)
    return ModelEntry(entry.name, "vllm", True, f"LoRA adapter of {wanted}", entry.path, base)
