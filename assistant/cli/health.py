"""What `assistant doctor` looks at."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.cli.opening import open_library, read_settings
from assistant.errors import AssistantError
from assistant.settings import Settings

# What a database, its log and a backup copy need for a good while.
SPACE_NEEDED = 200_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """`broken` keeps one from chatting, `missing` does not."""

    state: Literal["ok", "missing", "broken"]
    subject: str
    text: str


def examine(db: str | None) -> list[Finding]:
    """Look at everything; an examination that fails is a finding, too."""
    try:
        settings = read_settings()
    except AssistantError as error:
        return [_python(), Finding("broken", "settings", str(error))]
    findings = [_python()]
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("torch", lambda: _torch(settings)),
        ("model", lambda: _models(settings)),
        ("database", lambda: _database(settings, db)),
        ("personas", lambda: _personas(settings)),
        ("extras", _extras),
    ]
    for subject, check in checks:
        try:
            findings += check()
        except Exception as error:
            findings.append(Finding("broken", subject, f"{type(error).__name__}: {error}"))
    return findings


def _python() -> Finding:
    version = platform.python_version()
    return Finding("ok", "python", f"{version} on {platform.system()} {platform.machine()}")


def _torch(settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("broken", "torch", "not installed: pip install steadfast")
        return
    import torch

    threads = settings.threads or torch.get_num_threads()
    yield Finding("ok", "torch", f"{torch.__version__}, {threads} threads on {os.cpu_count()} cores")
    if torch.cuda.is_available():
        yield Finding("ok", "GPU", torch.cuda.get_device_name(0))
    else:
        yield Finding("missing", "GPU", "none that torch can use; chatting works on the CPU")


def _models(settings: Settings) -> Iterator[Finding]:
    from assistant.engines.catalog import BUNDLED, list_models

    entries = list_models(settings)
    bundled = next(entry for entry in entries if entry.name == BUNDLED)
    if bundled.usable:
        yield Finding("ok", "model", f"bundled: {bundled.reason}")
    else:
        yield Finding("broken", "model", f"bundled: {bundled.reason}; reinstall steadfast")
    others = sum(entry.usable for entry in entries) - bundled.usable
    if others:
        yield Finding("ok", "models", f"{others} of your own; see assistant models")
    else:
        yield Finding(
            "missing", "models", f"none of your own: put Hugging Face model folders into {settings.models_dir}"
        )


def _database(settings: Settings, db: str | None) -> Iterator[Finding]:
    from assistant.store.database import display_name, file_of, resolve_url
    from assistant.store.store import Store

    url = resolve_url(db or settings.db)
    try:
        with Store.open(url) as store:
            counts = store.counts()
    except AssistantError as error:
        yield Finding("broken", "database", str(error))
        return
    yield Finding(
        "ok", "database", f"{display_name(url)}: {counts.conversations} conversations, {counts.messages} messages"
    )
    path = file_of(url)
    if path is not None:
        free = shutil.disk_usage(Path(path).parent).free
        state: Literal["ok", "broken"] = "ok" if free >= SPACE_NEEDED else "broken"
        advice = "" if state == "ok" else ": free some, or move the database with ASSISTANT_DB"
        yield Finding(state, "disk", f"{free / 1e9:.1f} GB free for the database{advice}")


def _personas(settings: Settings) -> Iterator[Finding]:
    library = open_library(settings)
    yield Finding("ok", "personas", f"{len(library.all())} usable; your own belong in {library.user_dir}")
    for problem in library.problems:
        yield Finding("missing", "persona", str(problem))


def _extras() -> Iterator[Finding]:
    for module, extra, use in (
        ("vllm", "vllm", "fast serving on a GPU"),
        ("gradio", "ui", "the web chat"),
        ("peft", "train", "training with gatt"),
    ):
        if importlib.util.find_spec(module) is not None:
            yield Finding("ok", module, f"installed, for {use}")
        else:
            yield Finding("missing", module, f"for {use}: pip install 'steadfast[{extra}]'")
