"""What the store raises. Each message is one line: what is wrong, and the fix."""

from __future__ import annotations

from assistant.errors import AssistantError


class StorageError(AssistantError):
    """The conversation database could not be opened, read or written."""


class NotFoundError(StorageError):
    """The conversation, message or persona that was named does not exist."""


class AlreadySentError(StorageError):
    """A message with this request key is in the conversation already: `reply_id` is the reply to it."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(f"This request was sent before; reply {reply_id} is the answer to it.")
        self.reply_id = reply_id


class LockedError(StorageError):
    """Another process holds the database. Trying again later is the fix."""


class UnreachableError(StorageError):
    """The database server does not answer: it is down, starts again, or the way to it is broken."""


class DiskFullError(StorageError):
    """There is no room for the write. What was stored before is intact."""


class UnwritableError(StorageError):
    """The database, or the folder it is in, cannot be opened or written."""


class CorruptError(StorageError):
    """The file is damaged."""


class ForeignDatabaseError(StorageError):
    """The database holds something else than conversations, and is left alone."""


class NewerDatabaseError(StorageError):
    """A newer version of the program wrote the database."""


class UpgradeError(StorageError):
    """The database could not be brought to another schema; it is as it was before."""
