"""`assistant setup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assistant.cli.config_file import Changes
    from assistant.settings import Settings

CHOICES = (
    "the bundled model: small, on this machine, nothing to install",
    "a local server: Ollama, vLLM, LM Studio, llama.cpp",
    "vLLM in this program: a model's folder, and a GPU for anything but small ones",
    "an API with a key: OpenAI, or any that speaks like it",
)
# Where local servers listen unless told otherwise.
LOCAL = {"Ollama": 11434, "vLLM": 8000, "LM Studio": 1234, "llama.cpp": 8080}
OPENAI = "https://api.openai.com/v1"


def setup() -> None:
    """Ask which engine you have, check it with one real reply, and write the settings.

    \b
    Examples:
      assistant setup
      printf '1\\n' | assistant setup
    """
    from assistant.cli.config_file import write
    from assistant.cli.opening import read_settings
    from assistant.errors import AssistantError
    from assistant.settings import config_path

    for number, choice in enumerate(CHOICES, start=1):
        typer.echo(f"  {number}  {choice}")
    chosen = typer.prompt("Which engine do you have?", type=int, default=1)
    if not 1 <= chosen <= len(CHOICES):
        raise AssistantError(f"there is no {chosen}: choose 1 to {len(CHOICES)}")
    asking = (_bundled, _local_server, _vllm, _api)[chosen - 1]
    settings = read_settings()
    changes = asking(settings)
    _try(settings, changes)
    write(changes)
    typer.echo(f"Written to {config_path()}. Begin with: assistant chat")
    _tell_overrides(changes)


def _bundled(settings: Settings) -> Changes:
    return {"engine": "transformers", "model": None}


def _local_server(settings: Settings) -> Changes:
    from assistant.engines.errors import EngineError

    found = None
    for name, port in LOCAL.items():
        address = f"http://127.0.0.1:{port}/v1"
        try:
            _models(settings, address, None)
        except EngineError:
            continue
        typer.echo(f"{name} answers at {address}.")
        found = found or address
    address = typer.prompt("Its address", default=found or f"http://127.0.0.1:{LOCAL['Ollama']}/v1")
    return _server(settings, address, None)


def _api(settings: Settings) -> Changes:
    address = typer.prompt("Its address", default=settings.openai.base_url or OPENAI)
    key = typer.prompt("Its key (not shown; empty: that of ASSISTANT_OPENAI_API_KEY)", default="", hide_input=True)
    return _server(settings, address, key.strip() or None)


def _server(settings: Settings, address: str, key: str | None) -> Changes:
    """Which of the server's models."""
    names = _models(settings, address, key)
    if len(names) == 1:
        model = names[0]
    else:
        typer.echo("\n".join(f"  {name}" for name in sorted(names)))
        model = typer.prompt("Which model?")
    changes: Changes = {"engine": "openai", "model": model, "openai.base_url": address}
    return changes | ({"openai.api_key": key} if key else {})


def _models(settings: Settings, address: str, key: str | None) -> list[str]:
    from assistant.engines import openai_server

    return openai_server.names(_changed(settings, {"openai.base_url": address, "openai.api_key": key}).openai)


def _vllm(settings: Settings) -> Changes:
    from assistant.engines import vllm_start

    vllm_start.prepare(settings.threads)
    return {"engine": "vllm", "model": typer.prompt("The model's folder, or its name in `assistant models`")}


def _changed(settings: Settings, changes: Changes) -> Settings:
    """The settings with the changes. Raises AssistantError for a value that a setting does not take."""
    from pydantic import ValidationError

    from assistant.errors import AssistantError
    from assistant.settings import OpenAISettings

    server = {name.removeprefix("openai."): value for name, value in changes.items() if name.startswith("openai.")}
    try:
        openai = OpenAISettings.model_validate(
            settings.openai.model_dump() | {name: value for name, value in server.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise AssistantError(f"{first['loc'][0]} '{first['input']}': {first['msg']}") from None
    update: dict[str, Any] = {name: changes[name] for name in ("engine", "model") if name in changes}
    return settings.model_copy(update={**update, "openai": openai})


def _try(settings: Settings, changes: Changes) -> None:
    """One real reply, shown. Raises AssistantError where none comes."""
    import asyncio
    import time

    from assistant.engines.catalog import open_engine
    from assistant.errors import AssistantError
    from assistant.sampling import Sampling
    from guardrails.messages import Message

    wanted = _changed(settings, changes)
    typer.echo("Asking it for one reply ...")
    opened = open_engine(wanted, wanted.model, wanted.engine)

    async def ask() -> str:
        ids = opened.engine.template.render([Message("user", "Hello! Who are you?")]).ids
        try:
            return "".join(
                [delta.text async for delta in opened.engine.generate(ids, Sampling(temperature=0, max_tokens=60))]
            )
        finally:
            await opened.engine.close()

    started = time.monotonic()
    reply = asyncio.run(ask()).strip()
    if not reply:
        raise AssistantError(f"{opened.engine.model} gave an empty reply: choose another model; nothing was written")
    typer.echo(f"{opened.engine.model} ({opened.reason}), {time.monotonic() - started:.1f} s: {reply}")


def _tell_overrides(changes: Changes) -> None:
    import os

    for name in changes:
        variable = f"ASSISTANT_{name.replace('.', '_').upper()}"
        if variable in os.environ:
            typer.echo(f"Note: the variable {variable} is set and goes before the file.")
