"""The settings, and the store and persona library that they name. Imported only when a command runs."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.settings import OpenAISettings, Settings, VllmSettings, config_path, load_settings
from assistant.store.database import file_of, resolve_url
from assistant.store.store import Store
from assistant.terminal.home import typed_path

if TYPE_CHECKING:
    from assistant.engines.catalog import Opened
    from guardrails.guard import Guard
    from guardrails.policy import Policy

TABLES: dict[str, type[VllmSettings] | type[OpenAISettings]] = {"vllm": VllmSettings, "openai": OpenAISettings}


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


def with_options(settings: Settings, base_url: str | None, given: Sequence[str] = ()) -> Settings:
    """The settings with `--base-url` and each `--option NAME=VALUE` in the tables of the engines that know the name.

    Raises:
        AssistantError: a name that no engine knows, or a value that it does not take.
    """
    changed: dict[str, dict[str, str]] = {table: {} for table in TABLES}
    if base_url:
        changed["openai"]["base_url"] = base_url
    for text in given:
        name, is_pair, value = text.partition("=")
        tables = [table for table, model in TABLES.items() if name in model.model_fields]
        if not is_pair or not tables:
            known = sorted({*VllmSettings.model_fields, *OpenAISettings.model_fields} - {"api_key"})
            raise AssistantError(f"--option {text}: give NAME=VALUE with one of {', '.join(known)}")
        if name == "api_key":
            raise AssistantError("a key on the command line stays in the shell's history: set ASSISTANT_OPENAI_API_KEY")
        for table in tables:
            changed[table][name] = value
    try:
        vllm = VllmSettings.model_validate({**settings.vllm.model_dump(), **changed["vllm"]})
        openai = OpenAISettings.model_validate({**settings.openai.model_dump(), **changed["openai"]})
    except ValidationError as error:
        first = error.errors()[0]
        raise AssistantError(f"--option {first['loc'][0]}={first['input']}: {first['msg']}") from None
    return settings.model_copy(update={"vllm": vllm, "openai": openai})


def engine_name(settings: Settings, engine: str | None, base_url: str | None) -> str:
    """Of `--engine`, else what an address on the command line says, else of the settings."""
    return engine or ("openai" if base_url else settings.engine)


def open_model(settings: Settings, model: str | None, engine: str | None, base_url: str | None) -> Opened:
    """The model that was named, or the settings', on the engine that `engine_name` finds. Takes seconds.

    Raises:
        AssistantError: it is not on this machine, or cannot be used.
    """
    from assistant.engines import catalog

    if model and model.startswith("~"):
        model = str(typed_path(model))
    return catalog.open_engine(settings, model, engine_name(settings, engine, base_url))


def open_guard(policy: Policy, settings: Settings) -> Guard:
    """The policy's guard with the audit log and the engine that the settings name.

    Raises:
        UserError: its rules, model or log cannot be used.
    """
    from guardrails.guard import build

    audit, on_vllm = typed_path(str(settings.audit)), settings.guard_engine == "vllm"
    return build(policy, audit=audit, texts=settings.audit_texts, vllm=on_vllm)


def open_library(settings: Settings) -> PersonaLibrary:
    return PersonaLibrary(settings.personas_dir)


def database_url(db: str | None, settings: Settings | None = None) -> str:
    """The database of `--db`, the settings, or the default place."""
    given = db or (settings or read_settings()).db
    return resolve_url(str(typed_path(given)) if given and "://" not in given else given)


def existing_database(db: str | None) -> str:
    """The URL of a database that is there already; raises AssistantError where its file is missing."""
    url = database_url(db)
    path = file_of(url)
    if path is not None and not path.exists():
        raise AssistantError(f"{path} does not exist: give the database's path with --db")
    return url


def open_store(db: str | None, settings: Settings | None = None) -> Store:
    """The store in the database of `--db`, the settings, or the default place."""
    return Store.open(database_url(db, settings))
