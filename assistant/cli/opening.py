"""From options to an open store, engine and conversation: what `chat` and `ask` share.

Imported only when a command runs. What can be wrong is found in the order of its cost: settings, persona, store,
conversation, and last the model, which takes seconds to load.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from assistant.engines import catalog
from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.service import Assistant
from assistant.settings import Settings, config_path, load_settings
from assistant.store.records import Conversation
from assistant.store.store import Store
from assistant.terminal.custom import custom_persona

DEMO_LINE = (
    "Demonstration model, 12M parameters: fluent in small talk and simple topics, not a source of facts. "
    "For a real model: assistant chat --model PATH (any local Hugging Face chat model folder)"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line, or a default."""

    persona: str | None = None
    system: str | None = None
    model: str | None = None
    engine: str | None = None
    newest: bool = False
    conversation: int | None = None
    db: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything a chat needs. `conversation` is None for one that begins with its first message."""

    assistant: Assistant
    library: PersonaLibrary
    persona: Persona
    conversation: Conversation | None
    engine_reason: str
    is_demo: bool


def read_settings() -> Settings:
    """The settings; raises AssistantError naming the setting that is wrong."""
    try:
        return load_settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise AssistantError(
            f"setting '{name}': {first['msg']}; it comes from ASSISTANT_{name.upper()} or {config_path()}"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise AssistantError(f"{config_path()} is not valid TOML: {error}") from None


def open_library(settings: Settings) -> PersonaLibrary:
    return PersonaLibrary(settings.personas_dir)


def open_store(db: str | None, settings: Settings | None = None) -> Store:
    """The store of `--db`, the settings, or the default place."""
    return Store.open(db or (settings or read_settings()).db)


@contextmanager
def open_chat(wanted: Wanted) -> Iterator[Opened]:
    """Open what a chat needs; the store is closed at the end, the engine by `Assistant.close`.

    Raises:
        AssistantError: anything that is not there or cannot be opened, named with its fix.
    """
    if wanted.persona and wanted.system:
        raise AssistantError("--persona and --system both say who answers: give one of them")
    if wanted.newest and wanted.conversation is not None:
        raise AssistantError("--continue and --conversation both choose a conversation: give one of them")
    settings = read_settings()
    library = open_library(settings)
    chosen = _chosen_persona(wanted, library)
    with open_store(wanted.db, settings) as store:
        conversation = _conversation(store, wanted)
        if chosen is None and conversation is not None:
            persona = store.persona_version(conversation.persona_version_id).persona
        else:
            persona = chosen or library.get(settings.persona)
        opened = catalog.open_engine(settings, wanted.model, wanted.engine or settings.engine)
        if conversation is not None:
            # Only now that everything is there: what was said keeps the persona and model that said it.
            store.set_model(conversation.id, opened.engine.model, opened.engine.name)
            if chosen is not None:
                store.set_persona(conversation.id, store.save_persona(chosen).id)
        yield Opened(
            Assistant(store, opened.engine),
            library,
            persona,
            conversation,
            opened.reason,
            opened.is_demo,
        )


def sampling_overrides(**given: Any) -> dict[str, Any]:
    """The sampling settings that were given."""
    return {name: value for name, value in given.items() if value is not None}


def piped_text() -> str:
    """What was piped in, whatever its bytes; empty at a terminal."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


def _chosen_persona(wanted: Wanted, library: PersonaLibrary) -> Persona | None:
    if wanted.system is not None:
        return custom_persona(wanted.system)
    return library.get(wanted.persona) if wanted.persona else None


def _conversation(store: Store, wanted: Wanted) -> Conversation | None:
    if wanted.conversation is not None:
        return store.conversation(wanted.conversation)
    if not wanted.newest:
        return None
    newest = store.latest_conversation()
    if newest is None:
        raise AssistantError("there is no conversation to go on with yet: start one without --continue")
    return newest
