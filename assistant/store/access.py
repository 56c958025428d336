"""Transactions, for the parts that make up the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from assistant.store.database import file_of, raw_sqlite, storage_errors, take_lock
from assistant.store.errors import StorageError

# For how long a thread waits for the other threads of its process that write.
IN_LINE_SECONDS = 1.0


class Access:
    """A database that may be used from any thread. What goes wrong in a transaction leaves it as a StorageError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)
        self._writer = threading.Lock()
        self._log_holds_deleted = False
        self.url = engine.url.render_as_string(hide_password=False)
        # The SQLite file, None on a database server.
        self.path: Path | None = file_of(self.url)

    def close(self) -> None:
        """Closes every connection. The store cannot be used while other threads still use it."""
        if self._log_holds_deleted:
            with suppress(StorageError):
                self._empty_log()
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with storage_errors(self.url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with storage_errors(self.url), self._in_line(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """SQLite's own waiting is to sleep and look again, ever longer: threads of one process do better in a line.

        It is no promise: after a while a thread goes on without its turn, and SQLite decides.
        """
        held = self.path is not None and self._writer.acquire(timeout=IN_LINE_SECONDS)
        try:
            yield
        finally:
            if held:
                self._writer.release()

    @contextmanager
    def _write_alone(self) -> Iterator[Connection]:
        """For a write that depends on what was read before it. SQLite has one writer at a time anyway."""
        with self._write() as connection:
            take_lock(connection)
            yield connection

    def _empty_log(self) -> None:
        """Cuts SQLite's log, which keeps deleted words until it is next written over; again at `close` where it is in
        use."""
        if self.path is not None:
            with storage_errors(self.url), raw_sqlite(self._engine) as raw:
                self._log_holds_deleted = bool(raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


def drop_deleted_words(connection: Connection) -> None:
    """Takes the words of deleted messages out of the search index, which otherwise only marks them as deleted."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO message_fts(message_fts) VALUES ('optimize')")
