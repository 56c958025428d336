"""Transactions, for the parts that make up the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from assistant.store.database import file_of, storage_errors, take_lock


class Access:
    """A database that may be used from any thread. What goes wrong in a transaction leaves it as a StorageError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)
        self.url = engine.url.render_as_string(hide_password=False)

    @property
    def path(self) -> Path | None:
        """The SQLite file, None on a database server."""
        return file_of(self.url)

    def close(self) -> None:
        """Closes every connection. The store cannot be used while other threads still use it."""
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with storage_errors(self.url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with storage_errors(self.url), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def _write_alone(self) -> Iterator[Connection]:
        """For a write that depends on what was read before it. SQLite has one writer at a time anyway."""
        with self._write() as connection:
            take_lock(connection)
            yield connection
