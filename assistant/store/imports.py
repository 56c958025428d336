"""Whole conversations from elsewhere.

One may be large, so it is stored in parts, and other writers get their turn in between. Until the last part is stored
its conversation is hidden: `deleted_at` is the negative moment of the last write. That number is also the claim on
it: who finds another one than it wrote lost the conversation to someone who took it for abandoned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TypeVar

from sqlalchemy import Connection, delete, insert, select, update

from assistant.store.access import Access, drop_deleted_words
from assistant.store.clock import now
from assistant.store.conversations import clean_tag, clean_title, require_persona, unlink
from assistant.store.errors import StorageError
from assistant.store.messages import add_rows, newest
from assistant.store.owner import SILENCE_MS
from assistant.store.records import Feedback, NewConversation, NewMessage, Verdict
from assistant.store.schema import ConversationRow, FeedbackRow, MessageRow, TagRow, VerdictRow
from assistant.text import clean_text

# What one transaction holds at most, for it to be shorter than other processes wait.
PART_ROWS = 1_000
PART_CHARACTERS = 4_000_000

# The claim of whoever removes an import; no import itself writes it.
_REMOVED = -1

Item = TypeVar("Item", NewMessage, Verdict, Feedback)


class Imports(Access):
    def import_conversation(self, new: NewConversation) -> int:
        """Stores the conversation and returns its id. It is whole before anyone sees it, and never seen otherwise.

        Raises NotFoundError where a persona version is unknown, StorageError where a row is refused.
        """
        moment = now()
        arriving = _Arriving(self, *self._hide(new, moment))
        ids: list[int] = []

        def messages(connection: Connection, part: Sequence[NewMessage]) -> None:
            add_rows(connection, arriving.id, part, ids, moment)

        def verdicts(connection: Connection, part: Sequence[Verdict]) -> None:
            connection.execute(insert(VerdictRow), [_review(verdict, ids) for verdict in part])

        def feedback(connection: Connection, part: Sequence[Feedback]) -> None:
            connection.execute(insert(FeedbackRow), [_review(given, ids) for given in part])

        try:
            arriving.store(new.messages, messages)
            arriving.store(new.verdicts, verdicts)
            arriving.store(new.feedback, feedback)
            arriving.reveal(None if new.active is None else ids[new.active])
        except BaseException:
            # What cannot be removed now is removed by who opens the store later.
            with suppress(StorageError):
                self._remove(arriving.id, arriving.claim)
            raise
        return arriving.id

    def remove_abandoned(self) -> None:
        """Removes what was stored of imports that have been silent for a minute, their process being dead."""
        silent = (ConversationRow.deleted_at < 0, ConversationRow.deleted_at > SILENCE_MS - now())
        with self._read() as connection:
            found = connection.execute(select(ConversationRow.id, ConversationRow.deleted_at).where(*silent)).all()
        for id, claim in found:
            assert claim is not None
            self._remove(id, claim)

    def _hide(self, new: NewConversation, moment: int) -> tuple[int, int]:
        """The hidden conversation's id, and the claim on it."""
        with self._write() as connection:
            require_persona(connection, new.persona_version_id)
            id = connection.scalars(
                insert(ConversationRow)
                .values(
                    title=clean_title(new.title),
                    persona_version_id=new.persona_version_id,
                    user_id=new.user_id,
                    model=clean_text(new.model),
                    engine=clean_text(new.engine),
                    persistence=new.persistence,
                    sampling=None if new.sampling is None else new.sampling.model_dump(mode="json"),
                    guard=new.guard,
                    pinned=new.pinned,
                    archived=new.archived,
                    deleted_at=-moment,
                    created_at=moment if new.created_at is None else new.created_at,
                    updated_at=newest(new.messages, moment) if new.updated_at is None else new.updated_at,
                )
                .returning(ConversationRow.id)
            ).one()
            tags = dict.fromkeys(filter(None, map(clean_tag, new.tags)))
            if tags:
                connection.execute(insert(TagRow), [{"conversation_id": id, "name": tag} for tag in tags])
        return id, -moment

    def _remove(self, id: int, claim: int) -> None:
        with self._write() as connection:
            if not _claim(connection, id, claim, deleted_at=_REMOVED):
                return
        # Children first: a parent would take all of them with it.
        newest_first = select(MessageRow.id).where(MessageRow.conversation_id == id).order_by(MessageRow.id.desc())
        removed = PART_ROWS
        while removed == PART_ROWS:
            with self._write() as connection:
                last = MessageRow.id.in_(newest_first.limit(PART_ROWS))
                unlink(connection, last)
                removed = connection.execute(delete(MessageRow).where(last)).rowcount
                _claim(connection, id, _REMOVED, message_count=ConversationRow.message_count - removed)
        with self._write() as connection:
            connection.execute(
                delete(ConversationRow).where(ConversationRow.id == id, ConversationRow.deleted_at == _REMOVED)
            )
            drop_deleted_words(connection)
        self._empty_log()


class _Arriving:
    """A hidden conversation and this process's claim on it."""

    def __init__(self, store: Imports, id: int, claim: int) -> None:
        self.id = id
        self.claim = claim
        self._store = store
        self._pause = 0.0

    def store(self, items: Sequence[Item], write: Callable[[Connection, Sequence[Item]], None]) -> None:
        for part in _parts(items):
            # Who waits for SQLite's lock only looks every tenth of a second, so it must be free for some of the time.
            time.sleep(self._pause)
            started = time.monotonic()
            with self._store._write() as connection:
                self._renew(connection, deleted_at=(claim := -now()))
                write(connection, part)
            self.claim = claim
            self._pause = (time.monotonic() - started) / 4

    def reveal(self, active_leaf_id: int | None) -> None:
        with self._store._write() as connection:
            self._renew(connection, deleted_at=None, active_leaf_id=active_leaf_id)

    def _renew(self, connection: Connection, **values: int | None) -> None:
        if not _claim(connection, self.id, self.claim, **values):
            raise StorageError("The import stood still for so long that it was taken for dead: import it again.")


def _claim(connection: Connection, id: int, claim: int, **values: object) -> bool:
    """Changes the hidden conversation, if nobody else has claimed it."""
    held = (ConversationRow.id == id, ConversationRow.deleted_at == claim)
    return connection.execute(update(ConversationRow).where(*held).values(**values)).rowcount > 0


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    start = characters = 0
    for place, item in enumerate(items):
        size = len(item.content) if isinstance(item, NewMessage) else 0
        if place > start and (place - start == PART_ROWS or characters + size > PART_CHARACTERS):
            yield items[start:place]
            start, characters = place, 0
        characters += size
    if start < len(items):
        yield items[start:]


def _review(review: Verdict | Feedback, ids: list[int]) -> dict[str, object]:
    values = {key: clean_text(value) if isinstance(value, str) else value for key, value in asdict(review).items()}
    del values["id"]
    return values | {"message_id": ids[review.message_id]}
