"""The conversation store: everything that was said, kept."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from assistant.store.conversations import Conversations
from assistant.store.database import BUSY_TIMEOUT_MS, open_database, resolve_url
from assistant.store.errors import DiskFullError, LockedError, UnwritableError
from assistant.store.figures import Figures
from assistant.store.imports import Imports
from assistant.store.keys import Keys
from assistant.store.messages import Messages
from assistant.store.personas import Personas
from assistant.store.replies import Replies
from assistant.store.reviews import Reviews
from assistant.store.search import Search
from assistant.store.upgrade import ensure_current
from assistant.store.users import Users


class Store(Personas, Users, Conversations, Messages, Replies, Reviews, Figures, Imports, Search, Keys):
    """Synchronous, and safe to use from any thread. Every method is one transaction and raises StorageError."""

    @classmethod
    def open(cls, url: str | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Self:
        """Opens the database that `url` means (see `resolve_url`), made or upgraded where needed.

        Replies that a dead process left unfinished are marked interrupted, and imports removed. Raises StorageError.
        """
        engine = open_database(resolve_url(url), busy_timeout_ms=busy_timeout_ms)
        store = cls(engine)
        try:
            ensure_current(engine)
            # What cannot be written may still be read.
            with suppress(UnwritableError, DiskFullError):
                store.interrupt_dead()
            with suppress(UnwritableError, DiskFullError, LockedError):
                store.remove_abandoned()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
