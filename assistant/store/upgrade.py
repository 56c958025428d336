"""Brings a database to the current schema: all of it or nothing, after a backup, one process at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from assistant.store import schema
from assistant.store.backup import copy_database
from assistant.store.database import (
    display_name,
    file_of,
    first_line,
    foreign,
    is_ours,
    open_database,
    storage_errors,
    take_lock,
)
from assistant.store.errors import CorruptError, NewerDatabaseError, StorageError, UpgradeError

if TYPE_CHECKING:
    from alembic.config import Config

# How long one process waits for another that upgrades.
_PATIENCE_MS = 60_000
# Alembic keeps the migration it runs in a global variable.
_ALEMBIC = threading.Lock()


def migrations_folder() -> Path:
    """Where the migrations are: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StorageError(
        f"The migrations are missing from {package}: reinstall with pip install --force-reinstall steadfast."
    )


def revision_of(connection: Connection) -> str | None:
    """The schema's revision, None for a database without tables. Raises ForeignDatabaseError."""
    if connection.dialect.name == "sqlite":
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    else:
        names = set(inspect(connection).get_table_names())
    if not is_ours(names):
        raise foreign(display_name(connection.engine.url.render_as_string(hide_password=False)))
    if "alembic_version" not in names:
        return None
    return connection.scalars(text("SELECT version_num FROM alembic_version")).one_or_none()


def ensure_current(engine: Engine) -> Path | None:
    """Makes or upgrades the schema where it is not the current one; returns the backup's path where one was made.

    Raises NewerDatabaseError for a schema this program does not know, UpgradeError where a migration failed.
    """
    url = engine.url.render_as_string(hide_password=False)
    with storage_errors(url), engine.connect() as connection:
        if revision_of(connection) == schema.REVISION:
            return None
    from alembic import command

    return _migrate(engine, url, schema.REVISION, command.upgrade)


def downgrade(url: str, revision: str) -> Path | None:
    """Takes the schema back to an older `revision`, or "base" for none; returns the backup's path.

    What only the newer schema holds is lost. Raises StorageError.
    """
    from alembic import command

    engine = open_database(url)
    try:
        return _migrate(engine, url, revision, command.downgrade)
    finally:
        engine.dispose()


@contextmanager
def migration(engine: Engine) -> Iterator[Connection]:
    """A transaction for schema changes, which other processes wait for.

    On SQLite foreign keys are off in it, because a batch migration replaces tables, and dropping the old one would
    delete whatever refers to it. They are checked before the commit.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            take_lock(connection)
            yield connection
        return
    with engine.execution_options(writes=True).connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        timeout = raw.execute("PRAGMA busy_timeout").fetchone()[0]
        try:
            raw.execute("PRAGMA foreign_keys=OFF")
            raw.execute(f"PRAGMA busy_timeout={max(timeout, _PATIENCE_MS)}")
            with connection.begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise CorruptError(f"a row of {broken[0]} refers to a missing row of {broken[2]}")
        finally:
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute(f"PRAGMA busy_timeout={timeout}")


def _migrate(engine: Engine, url: str, target: str, move: Callable[[Config, str], None]) -> Path | None:
    current, saved, started = None, None, False
    try:
        with storage_errors(url), migration(engine) as connection:
            current = revision_of(connection)
            if current == target:  # another process was first
                return None
            config = configure(connection)
            _require_known(config, current, target, display_name(url))
            path = file_of(url)
            if current is not None and path is not None:
                saved = _free_name(path, current)
                copy_database(engine, saved)
            started = True
            with _ALEMBIC:
                move(config, target)
            if target == schema.REVISION:
                _require_search(connection)
    except Exception as error:
        if not started:
            raise
        kept = f"; a backup is at {saved}" if saved else ""
        raise UpgradeError(
            f"{display_name(url)} could not be taken from schema {current or 'none'} to {target} "
            f"({first_line(error)}); it is as it was before{kept}. Go on with the version of steadfast that wrote it, "
            "and report this."
        ) from error
    return saved


def configure(connection: Connection) -> Config:
    """Alembic's configuration for work on `connection`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _require_known(config: Config, current: str | None, target: str, name: str) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise NewerDatabaseError(
            f"{name} was written by a newer version of steadfast (schema {current}, this one knows up to "
            f"{schema.REVISION}): run pip install --upgrade steadfast, or give another path with --db."
        )
    if target not in known | {"base"}:
        raise UpgradeError(f"There is no schema {target}: choose one of {', '.join(sorted(known))} or base.")


def _require_search(connection: Connection) -> None:
    # Replacing the message table in a batch migration drops its triggers without a word.
    if connection.dialect.name == "sqlite":
        triggers = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
        if missing := set(schema.SEARCH_TRIGGERS) - set(triggers):
            raise CorruptError(f"the migration lost {', '.join(sorted(missing))}")


def _free_name(path: Path, revision: str) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return path.with_name(f"{path.name}.{moment}Z.schema-{revision}.backup")
