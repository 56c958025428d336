"""Changing config.toml, its comments and other settings kept."""

from __future__ import annotations

import os
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from assistant.errors import AssistantError
from assistant.settings import config_path

# Settings by name, those of a table as `table.name`; None takes a setting out of the file.
Changes = dict[str, str | None]


def write(changes: Changes) -> None:
    """Write settings. Only its owner may read the file: it may hold a key.

    Raises:
        AssistantError: the file is no TOML, or cannot be written.
    """
    path = config_path()
    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise AssistantError(f"{path} cannot be read: {error}") from error
    for name, value in changes.items():
        *tables, key = name.split(".")
        table = document
        for part in tables:
            table = table.setdefault(part, tomlkit.table())
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    _replace(path, tomlkit.dumps(document))


def _replace(path: Path, text: str) -> None:
    """Write beside and rename, so that a full disk leaves the old file."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise AssistantError(f"{path} cannot be written: {error.strerror}") from error
