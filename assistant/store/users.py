"""People who log in. A password is kept as a salted hash that is slow to try."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, update

from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import User
from assistant.store.schema import ConversationRow, UserRow

SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 1_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
# OWASP's advice for scrypt: 32 MiB and some 60 ms a try.
_COST, _BLOCK, _LANES = 2**15, 8, 1


class Users(Access):
    def add_user(self, name: str, password: str) -> User:
        """A new person. Raises StorageError for a name that is taken or no name, or a password that is too short."""
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            raise StorageError(f"'{name}' is no user name: use up to 64 of a-z, 0-9, '.', '_', '@' and '-'.")
        hashed = _hash(_checked(password))
        with self._write_alone() as connection:
            if connection.scalars(select(UserRow.id).where(UserRow.name == name)).one_or_none() is not None:
                raise StorageError(f"There is a user {name} already: choose another name, or set a new password.")
            moment = now()
            made = insert(UserRow).values(name=name, password=hashed, created_at=moment).returning(UserRow.id)
            return User(connection.scalars(made).one(), name, moment, 0)

    def set_password(self, name: str, password: str) -> None:
        """Raises NotFoundError where there is no such user."""
        hashed = _hash(_checked(password))
        with self._write() as connection:
            changed = connection.execute(update(UserRow).where(UserRow.name == _key(name)).values(password=hashed))
            if changed.rowcount == 0:
                raise _unknown(name)

    def remove_user(self, name: str) -> None:
        """The person cannot log in any more; their conversations stay. Raises NotFoundError."""
        with self._write() as connection:
            if connection.execute(delete(UserRow).where(UserRow.name == _key(name))).rowcount == 0:
                raise _unknown(name)

    def users(self) -> list[User]:
        """Everybody, by name."""
        query = select(UserRow.id, UserRow.name, UserRow.created_at).order_by(UserRow.name)
        owned = select(ConversationRow.user_id, func.count()).where(ConversationRow.deleted_at.is_(None))
        with self._read() as connection:
            rows = connection.execute(query).all()
            counts: dict[int | None, int] = {
                id: count for id, count in connection.execute(owned.group_by(ConversationRow.user_id))
            }
        return [User(row.id, row.name, row.created_at, counts.get(row.id, 0)) for row in rows]

    def user(self, name: str) -> User:
        """Raises NotFoundError."""
        # Asked for with each event of a page: nobody else's conversations are counted.
        owned = select(func.count()).where(ConversationRow.user_id == UserRow.id, ConversationRow.deleted_at.is_(None))
        columns = (UserRow.id, UserRow.name, UserRow.created_at, owned.scalar_subquery())
        with self._read() as connection:
            row = connection.execute(select(*columns).where(UserRow.name == _key(name))).one_or_none()
        if row is None:
            raise _unknown(name)
        return User(*row)

    def password_digest(self, name: str) -> bytes:
        """A key that changes with the password and cannot be guessed without it. Raises NotFoundError."""
        query = select(UserRow.password).where(UserRow.name == _key(name))
        with self._read() as connection:
            stored = connection.scalars(query).one_or_none()
        if stored is None:
            raise _unknown(name)
        return hashlib.sha256(stored.encode()).digest()

    def knows(self, name: str, password: str) -> bool:
        """Whether this is that person's password. Takes as long for a name that nobody has."""
        query = select(UserRow.password).where(UserRow.name == _key(name))
        with self._read() as connection:
            row: Row[Any] | None = connection.execute(query).one_or_none()
        if len(password) > LONGEST_PASSWORD:
            return False
        return _matches(password, row.password if row is not None else _NOBODY) and row is not None


def _key(name: str) -> str:
    return name.strip().lower()


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"There is no user {name}: `assistant users list` shows who there is.")


def _checked(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise StorageError(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: give another one.")
    return password


def _hash(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${_COST}${_BLOCK}${_LANES}${salt.hex()}${_derived(password, salt, _COST, _BLOCK, _LANES).hex()}"


def _matches(password: str, stored: str) -> bool:
    _, cost, block, lanes, salt, hashed = stored.split("$")
    derived = _derived(password, bytes.fromhex(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(derived.hex(), hashed)


def _derived(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 130 * cost * block
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=memory, dklen=32)


# Compared with where a name is unknown, so that time does not tell.
_NOBODY: Final = f"scrypt${_COST}${_BLOCK}${_LANES}${'00' * 16}${'00' * 32}"
