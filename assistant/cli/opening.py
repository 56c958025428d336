"""The settings, and the store and persona library that they name. Imported only when a command runs."""

from __future__ import annotations

import tomllib

from pydantic import ValidationError

from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.settings import Settings, config_path, load_settings
from assistant.store.database import file_of, resolve_url
from assistant.store.store import Store
from assistant.terminal.home import typed_path


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
