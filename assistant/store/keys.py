"""Keys of the HTTP API. What is kept of a key is its hash: whoever reads the database learns none.

A key is 32 random bytes, so one round of SHA-256 is as hard to turn back as any slower hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import ApiKey
from assistant.store.schema import ApiKeyRow as Table
from assistant.text import clean_text

PREFIX: Final = "sk-steadfast-"
# What a key may do: /v1, /api, /metrics.
SCOPES: Final = ("chat", "conversations", "metrics")

_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Table.id,
    Table.name,
    Table.hint,
    Table.scopes,
    Table.created_at,
    Table.revoked_at,
)


class Keys(Access):
    def create_key(self, name: str, scopes: Iterable[str] = SCOPES) -> tuple[ApiKey, str]:
        """A new key: what is kept of it, and the key, which is told this once. Raises StorageError."""
        wanted = tuple(dict.fromkeys(scopes))
        unknown = [scope for scope in wanted if scope not in SCOPES]
        if unknown or not wanted:
            raise StorageError(f"A key's scopes are some of {', '.join(SCOPES)}, not {', '.join(unknown) or 'none'}.")
        key = PREFIX + secrets.token_urlsafe(32)
        with self._write() as connection:
            row = connection.execute(
                insert(Table)
                .values(
                    name=clean_text(name),
                    digest=digest(key),
                    hint=key[: len(PREFIX) + 4],
                    scopes=" ".join(wanted),
                    created_at=now(),
                )
                .returning(*_COLUMNS)
            ).one()
        return _key(row), key

    def api_keys(self) -> Sequence[ApiKey]:
        """All there ever were, oldest first."""
        with self._read() as connection:
            return [_key(row) for row in connection.execute(select(*_COLUMNS).order_by(Table.id))]

    def find_key(self, key: str) -> ApiKey | None:
        """What is kept of the key that a client gave; None for one that never was, or was revoked."""
        query = select(*_COLUMNS).where(Table.digest == digest(key), Table.revoked_at.is_(None))
        with self._read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _key(row)

    def has_keys(self) -> bool:
        """Whether there ever was one, revoked or not."""
        with self._read() as connection:
            return connection.scalars(select(Table.id).limit(1)).one_or_none() is not None

    def revoke_key(self, id: int) -> None:
        """It opens nothing any more; its line stays in the list. Raises NotFoundError."""
        with self._write() as connection:
            held = update(Table).where(Table.id == id, Table.revoked_at.is_(None)).values(revoked_at=now())
            if connection.execute(held).rowcount == 0:
                raise NotFoundError(f"There is no key {id} in use: `assistant keys list` shows what there is.")


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[*tuple[Any, ...]]) -> ApiKey:
    return ApiKey(row.id, row.name, row.hint, tuple(row.scopes.split()), row.created_at, row.revoked_at)
