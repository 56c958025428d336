"""Where conversations are kept, and how that database is opened."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assistant.store.errors import (
    CorruptError,
    DiskFullError,
    ForeignDatabaseError,
    LockedError,
    StorageError,
    UnreachableError,
    UnwritableError,
)

BUSY_TIMEOUT_MS = 5_000
VARIABLE = "ASSISTANT_DB"

_FORMS = "give a file's path, or a URL such as sqlite:////path/to/file.db or postgresql://user@host/name"
# Any number, as long as every version of the program takes the same lock on PostgreSQL.
_ADVISORY_LOCK = 0x57EADFA5
# Closing any descriptor of a file drops every lock that the process holds on it, SQLite's too: a file that a thread
# has just made must be closed before another thread opens it as a database.
_MAKING = threading.Lock()
_OURS = {"alembic_version", "persona_version", "conversation", "message"}


def default_url() -> str:
    """The database in the user's own data folder."""
    import platformdirs

    return _file_url(Path(platformdirs.user_data_dir("steadfast")) / "conversations.db")


def resolve_url(given: str | None) -> str:
    """The database URL that a person means: `given`, a file's path or a URL, else $ASSISTANT_DB, else the default.

    Raises StorageError where it is no URL, or one that would keep nothing.
    """
    given = given or os.environ.get(VARIABLE)
    if not given:
        return default_url()
    if "://" not in given:
        return _file_url(Path(given).expanduser().absolute())
    try:
        url = make_url(given)
        dialect = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise StorageError(f"The database URL cannot be read: {_FORMS}.") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    elif dialect not in ("sqlite", "postgresql"):
        raise StorageError(f"Conversations cannot be kept in {dialect}: {_FORMS}.")
    if dialect == "sqlite" and url.database in (None, "", ":memory:"):
        raise StorageError("An in-memory database would forget every conversation: give a file's path.")
    return url.render_as_string(hide_password=False)


def file_of(url: str) -> Path | None:
    """The file behind an SQLite URL, None for a database server."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        return None
    return Path(parsed.database.removeprefix("file:"))


def display_name(url: str) -> str:
    """How messages name the database: its file, or its URL without the password."""
    return str(file_of(url) or make_url(url).render_as_string())


def open_database(url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Engine:
    """An engine on the database at `url` (see `resolve_url`), proven to be reachable; its schema is not looked at.

    A missing SQLite file is made, readable by its owner alone; one that holds something else is left untouched.
    `busy_timeout_ms` is how long a statement waits for another process's write. The execution option `writes=True`
    makes an SQLite transaction take the write lock at once. Raises StorageError.
    """
    path = file_of(url)
    if path is not None and not _is_read_only(url):
        _prepare_file(path)
        _refuse_foreign_file(url, path, busy_timeout_ms)
    try:
        if path is None:
            engine = create_engine(url, pool_pre_ping=True)
        else:
            engine = create_engine(url, connect_args={"timeout": busy_timeout_ms / 1000})
            _tune_sqlite(engine, busy_timeout_ms)
    except ModuleNotFoundError as error:
        fix = "pip install 'psycopg[binary]'" if error.name == "psycopg" else f"pip install {error.name}"
        raise StorageError(f"The driver for {display_name(url)} is not installed: run {fix}.") from None
    except (SQLAlchemyError, TypeError, ValueError) as error:
        raise StorageError(
            f"The database URL {display_name(url)} cannot be used ({first_line(error)}): {_FORMS}."
        ) from None
    try:
        with storage_errors(url), engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master" if path else "SELECT 1")
    except StorageError:
        engine.dispose()
        raise
    return engine


def take_lock(connection: Connection) -> None:
    """Lets no other process past this point until the transaction ends. On SQLite, writing has that effect already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


@contextmanager
def raw_sqlite(engine: Engine) -> Iterator[sqlite3.Connection]:
    """The driver's own connection, outside any transaction, for what SQLite does only there."""
    pooled = engine.raw_connection()
    try:
        assert isinstance(pooled.driver_connection, sqlite3.Connection)
        yield pooled.driver_connection
    finally:
        pooled.close()


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turns what a database raises inside the block into a StorageError that names the database and the fix."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, PoolTimeoutError) as error:
        raise explain(error, display_name(url)) from error


def explain(error: Exception, name: str) -> StorageError:
    """The StorageError for what the driver raised on the database called `name`."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = getattr(cause, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LockedError(f"{name} is locked by another process: wait for it to finish or stop it, then try again.")
    if code == "SQLITE_FULL":
        return DiskFullError(f"There is no room left to write {name}: free some disk space, then try again.")
    if code == "SQLITE_NOTADB":
        return ForeignDatabaseError(f"{name} is not an SQLite database: give another path with --db or ${VARIABLE}.")
    if code.startswith("SQLITE_CORRUPT"):
        return CorruptError(
            f"{name} is damaged: restore a backup, or save what can be read with: sqlite3 FILE .recover"
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return UnwritableError(
            f"{name} cannot be opened for writing: check the permissions of the file and its folder, "
            f"or give another path with --db or ${VARIABLE}."
        )
    if code.startswith("SQLITE_IOERR"):
        return StorageError(f"Reading or writing {name} failed ({code}): check the disk it is on.")
    if not code and isinstance(error, OperationalError):
        return UnreachableError(
            f"{name} cannot be reached ({first_line(cause)}): check that the server runs and that the URL is right."
        )
    return StorageError(f"The database {name} refused: {first_line(cause)}.")


def first_line(error: Exception) -> str:
    """What an error says, in one line without its full stop; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _file_url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _is_read_only(url: str) -> bool:
    query = make_url(url).query
    return query.get("mode") == "ro" or query.get("immutable") == "1"


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_dir():
            raise UnwritableError(f"{path} is a folder: give the path of a file, such as {path / 'conversations.db'}.")
        _make_file(path)
        writable = os.access(path.parent, os.W_OK)
    except OSError as error:
        raise UnwritableError(
            f"{path} cannot be opened for writing ({error.strerror}): check its folder, "
            f"or give another path with --db or ${VARIABLE}."
        ) from None
    if not writable:
        raise UnwritableError(
            f"The folder {path.parent} cannot be written, and SQLite needs to write beside its file: "
            f"mend its permissions, or give another path with --db or ${VARIABLE}."
        )


def _make_file(path: Path) -> None:
    """Makes a missing file. One that is there is not opened, for its locks; see `_MAKING`."""
    with _MAKING:
        try:
            # Conversations are private; SQLite gives its log files the mode of the database.
            os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not os.access(path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


def is_ours(tables: set[str]) -> bool:
    """Whether a database with these tables is new or holds conversations."""
    tables = {name for name in tables if not name.startswith("sqlite_")}
    return tables <= {"alembic_version"} or tables >= _OURS


def foreign(name: str) -> ForeignDatabaseError:
    """The refusal of a database that holds something else."""
    return ForeignDatabaseError(
        f"{name} holds another program's tables and was left alone: give another path with --db or ${VARIABLE}."
    )


def _refuse_foreign_file(url: str, path: Path, busy_timeout_ms: int) -> None:
    # Before anything else, since even choosing the journal mode would write to the file.
    with storage_errors(url):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_timeout_ms / 1000)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            connection.close()
    if not is_ours(tables):
        raise foreign(str(path))


def _tune_sqlite(engine: Engine, busy_timeout_ms: int) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: Any) -> None:
        # Transactions begin below, not in the driver, which would let DDL escape them.
        connection.isolation_level = None
        _write_ahead(connection, busy_timeout_ms)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later cannot wait its turn: it fails if another wrote meanwhile.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _write_ahead(connection: sqlite3.Connection, busy_timeout_ms: int) -> None:
    """Sets the journal mode, which SQLite refuses at once, without waiting, while another process sets it."""
    deadline = time.monotonic() + busy_timeout_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return
