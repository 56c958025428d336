"""A copy of the whole database, while it is in use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from assistant.store.database import display_name, file_of, open_database, raw_sqlite, storage_errors
from assistant.store.errors import StorageError


def backup(url: str, target: Path) -> Path:
    """Writes a consistent copy of the SQLite database at `url` to the new file `target`. Raises StorageError."""
    path = file_of(url)
    if path is None:
        raise StorageError(f"{display_name(url)} is no SQLite file: back it up with its own tool, such as pg_dump.")
    if not path.is_file():
        raise StorageError(f"There is no database at {path}: give the path of one with --db.")
    engine = open_database(url)
    try:
        copy_database(engine, target)
    finally:
        engine.dispose()
    return target


def copy_database(engine: Engine, target: Path) -> None:
    """Copies an SQLite database, compacted, to the new file `target`. Raises StorageError."""
    if target.exists():
        raise StorageError(f"{target} exists already: give the backup another name.")
    try:
        # Conversations are private, and SQLite would make a file that others can read.
        target.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise StorageError(f"The backup {target} cannot be written ({error.strerror}): give another path.") from None
    try:
        with storage_errors(str(engine.url)), raw_sqlite(engine) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
