"""Conversations: making, finding, marking and removing them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from assistant.personas.persona import Persistence
from assistant.sampling import Sampling
from assistant.store.access import Access, drop_deleted_words
from assistant.store.clock import now
from assistant.store.errors import NotFoundError
from assistant.store.personas import find_version
from assistant.store.records import (
    Conversation,
    ConversationStats,
    ConversationSummary,
    Counts,
    PersonaVersion,
    Stricter,
)
from assistant.store.schema import ConversationRow as Table
from assistant.store.schema import MessageRow, PersonaVersionRow, TagRow
from assistant.text import clean_text

# A conversation that is being imported has a negative `deleted_at`; see imports.py.
_ARRIVED = or_(Table.deleted_at.is_(None), Table.deleted_at >= 0)

MAX_TITLE = 200
MAX_TAG = 64

_COLUMNS: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...] = (
    Table.id,
    Table.title,
    Table.persona_version_id,
    Table.active_leaf_id,
    Table.model,
    Table.engine,
    Table.persistence,
    Table.pinned,
    Table.archived,
    Table.message_count.label("messages"),
    Table.deleted_at,
    Table.created_at,
    Table.updated_at,
    Table.user_id,
    Table.sampling,
    Table.guard,
)
# Made once, as in `messages`: every turn asks for it.
_ONE = select(*_COLUMNS).where(Table.id == bindparam("conversation"), _ARRIVED)
_SUMMARY: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...] = (
    Table.id,
    Table.title,
    PersonaVersionRow.name.label("persona"),
    Table.model,
    Table.pinned,
    Table.archived,
    Table.message_count.label("messages"),
    Table.deleted_at,
    Table.created_at,
    Table.updated_at,
)


def unknown_conversation(id: int) -> NotFoundError:
    """The error for an id that names no conversation."""
    return NotFoundError(f"There is no conversation {id}: `assistant conversations list` shows what there is.")


def clean_title(text: str) -> str:
    """One line, cut to MAX_TITLE."""
    return " ".join(clean_text(text).split())[:MAX_TITLE]


def clean_tag(name: str) -> str:
    """One line in lower case, cut to MAX_TAG; may be empty."""
    return " ".join(clean_text(name).split()).lower()[:MAX_TAG]


class Conversations(Access):
    def create_conversation(
        self,
        persona_version_id: int,
        *,
        title: str = "",
        model: str = "",
        engine: str = "",
        user_id: int | None = None,
    ) -> Conversation:
        """An empty conversation. Raises NotFoundError where the persona version is unknown."""
        moment = now()
        with self._write() as connection:
            require_persona(connection, persona_version_id)
            id = connection.scalars(
                insert(Table)
                .values(
                    title=clean_title(title),
                    persona_version_id=persona_version_id,
                    model=clean_text(model),
                    engine=clean_text(engine),
                    user_id=user_id,
                    created_at=moment,
                    updated_at=moment,
                )
                .returning(Table.id)
            ).one()
            return _conversation(connection, id)

    def conversation(self, id: int) -> Conversation:
        """Also finds it in the archive and the trash. Raises NotFoundError where there is none."""
        with self._read() as connection:
            return _conversation(connection, id)

    def conversation_with_persona(self, id: int) -> tuple[Conversation, PersonaVersion]:
        """A conversation and who answers in it. Raises NotFoundError, and StorageError as `persona_version` does."""
        with self._read() as connection:
            conversation = _conversation(connection, id)
            return conversation, find_version(connection, conversation.persona_version_id)

    def latest_conversation(self) -> Conversation | None:
        """The one something was last said in, outside archive and trash; None where nothing was said in any."""
        newest = _newest_first(select(*_COLUMNS), archived=False, trashed=False).where(Table.message_count > 0)
        with self._read() as connection:
            row = connection.execute(newest.limit(1)).one_or_none()
        return None if row is None else _record(row)

    def list_conversations(
        self,
        limit: int = 50,
        offset: int = 0,
        *,
        archived: bool = False,
        trashed: bool = False,
        tag: str | None = None,
        persona: str | None = None,
        user_id: int | None = None,
        pinned_first: bool = False,
    ) -> list[ConversationSummary]:
        """Newest first, by when something was last said. `trashed` lists the trash instead, archived or not;
        `user_id` only that person's."""
        query = select(*_SUMMARY)
        if pinned_first:
            query = query.order_by(Table.pinned.desc())
        query = _newest_first(query, archived=archived, trashed=trashed)
        query = query.join(PersonaVersionRow, PersonaVersionRow.id == Table.persona_version_id)
        if tag is not None:
            query = query.join(TagRow, (TagRow.conversation_id == Table.id) & (TagRow.name == clean_tag(tag)))
        if persona is not None:
            query = query.where(PersonaVersionRow.name == persona)
        if user_id is not None:
            query = query.where(Table.user_id == user_id)
        with self._read() as connection:
            rows = connection.execute(query.limit(limit).offset(offset)).all()
            tags = _tags_of(connection, (row.id for row in rows))
        return [ConversationSummary(**row._mapping, tags=tuple(tags.get(row.id, ()))) for row in rows]

    def set_title(self, conversation_id: int, title: str) -> None:
        """Spaces and line breaks become single spaces; cut after 200 characters."""
        self._set(conversation_id, title=clean_title(title))

    def set_persona(self, conversation_id: int, persona_version_id: int) -> None:
        """From now on; what was said keeps the version it was said under."""
        with self._write() as connection:
            require_persona(connection, persona_version_id)
            _set(connection, conversation_id, persona_version_id=persona_version_id)

    def set_persistence(self, conversation_id: int, persistence: Persistence | None) -> None:
        """None goes back to the persona's own setting."""
        self._set(conversation_id, persistence=persistence)

    def set_sampling(self, conversation_id: int, sampling: Sampling | None) -> None:
        """How replies are drawn from now on; None goes back to the persona's own settings."""
        self._set(conversation_id, sampling=None if sampling is None else sampling.model_dump(mode="json"))

    def set_guard(self, conversation_id: int, guard: Stricter | None) -> None:
        """Hold back more from now on than the program's own guard does; None goes back to that."""
        self._set(conversation_id, guard=guard)

    def set_pinned(self, conversation_id: int, pinned: bool) -> None:
        self._set(conversation_id, pinned=pinned)

    def set_archived(self, conversation_id: int, archived: bool) -> None:
        self._set(conversation_id, archived=archived)

    def trash(self, conversation_id: int) -> None:
        """Out of lists and search, until `restore` or `delete`."""
        self._set(conversation_id, deleted_at=func.coalesce(Table.deleted_at, now()))

    def restore(self, conversation_id: int) -> None:
        """Back from the trash."""
        self._set(conversation_id, deleted_at=None)

    def delete(self, conversation_id: int) -> None:
        """Removes the conversation for good, with its messages, verdicts and feedback, and what search knew of them.

        The words are gone from SQLite's file too, at once; from its log where no other process reads just then,
        else when this store closes or the last process does. Backups keep them, and so does a database server
        until it next vacuums. Rewrites the search index: about a second for 100,000 messages.
        """
        with self._write() as connection:
            unlink(connection, MessageRow.conversation_id == conversation_id)
            if connection.execute(delete(Table).where(Table.id == conversation_id, _ARRIVED)).rowcount == 0:
                raise unknown_conversation(conversation_id)
            drop_deleted_words(connection)
        self._empty_log()

    def add_tag(self, conversation_id: int, tag: str) -> None:
        """Tags have no case: they are kept in lower case, at most 64 characters."""
        name = clean_tag(tag)
        held = select(TagRow.name).where(TagRow.conversation_id == conversation_id, TagRow.name == name)
        with self._write_alone() as connection:
            _conversation(connection, conversation_id)
            if name and connection.scalars(held).one_or_none() is None:
                connection.execute(insert(TagRow).values(conversation_id=conversation_id, name=name))

    def remove_tag(self, conversation_id: int, tag: str) -> None:
        """Nothing happens where the conversation does not have it."""
        with self._write() as connection:
            connection.execute(
                delete(TagRow).where(TagRow.conversation_id == conversation_id, TagRow.name == clean_tag(tag))
            )

    def tags(self, conversation_id: int) -> list[str]:
        """In alphabetical order."""
        with self._read() as connection:
            return _tags_of(connection, [conversation_id]).get(conversation_id, [])

    def stats(self, conversation_id: int) -> ConversationStats:
        """Sums over all branches. Raises NotFoundError."""
        message = MessageRow
        query = select(
            func.count().filter(message.role == "user").label("turns"),
            func.count().label("messages"),
            func.count().filter(message.role == "assistant").label("replies"),
            func.coalesce(func.sum(message.prompt_tokens), 0).label("prompt_tokens"),
            func.coalesce(func.sum(message.completion_tokens), 0).label("completion_tokens"),
            func.coalesce(func.sum(message.cached_tokens), 0).label("cached_tokens"),
            func.coalesce(func.sum(message.duration_ms), 0).label("duration_ms"),
            func.avg(message.ttft_ms).label("ttft_ms"),
        ).where(message.conversation_id == conversation_id)
        with self._read() as connection:
            _conversation(connection, conversation_id)
            row = connection.execute(query).one()
        return ConversationStats(
            turns=row.turns,
            messages=row.messages,
            replies=row.replies,
            prompt_tokens=int(row.prompt_tokens),
            completion_tokens=int(row.completion_tokens),
            cached_tokens=int(row.cached_tokens),
            duration_ms=int(row.duration_ms),
            ttft_ms=None if row.ttft_ms is None else float(row.ttft_ms),
        )

    def counts(self) -> Counts:
        """How much the store holds; `personas` counts names, not versions."""
        kept = Table.deleted_at.is_(None)
        with self._read() as connection:
            conversations, archived, trashed = connection.execute(
                select(
                    func.count().filter(kept),
                    func.count().filter(kept & Table.archived),
                    func.count().filter(Table.deleted_at >= 0),
                ).select_from(Table)
            ).one()
            messages = connection.scalars(select(func.coalesce(func.sum(Table.message_count), 0)).where(_ARRIVED)).one()
            personas = connection.scalars(select(func.count(PersonaVersionRow.name.distinct()))).one()
        return Counts(conversations, archived, trashed, int(messages), personas)

    def _set(self, conversation_id: int, **values: Any) -> None:
        with self._write() as connection:
            _set(connection, conversation_id, **values)


def _set(connection: Connection, conversation_id: int, **values: Any) -> None:
    if connection.execute(update(Table).where(Table.id == conversation_id, _ARRIVED).values(**values)).rowcount == 0:
        raise unknown_conversation(conversation_id)


def _conversation(connection: Connection, id: int) -> Conversation:
    row = connection.execute(_ONE, {"conversation": id}).one_or_none()
    if row is None:
        raise unknown_conversation(id)
    return _record(row)


def _record(row: Row[*tuple[Any, ...]]) -> Conversation:
    sampling = None if row.sampling is None else Sampling.model_validate(row.sampling)
    values = {**row._mapping, "sampling": sampling}
    return Conversation(**values)


def unlink(connection: Connection, which: ColumnElement[bool]) -> None:
    """Makes roots of messages that are about to be deleted: SQLite follows a branch no further than 1,000 deep."""
    connection.execute(update(MessageRow).where(which).values(parent_id=None))


def require_persona(connection: Connection, id: int) -> None:
    """Raises NotFoundError where there is no such version."""
    if connection.scalars(select(PersonaVersionRow.id).where(PersonaVersionRow.id == id)).one_or_none() is None:
        raise NotFoundError(f"There is no persona version {id}: save the persona first.")


def _newest_first(query: Select[*tuple[Any, ...]], *, archived: bool, trashed: bool) -> Select[*tuple[Any, ...]]:
    where: list[ColumnElement[bool]] = (
        [Table.deleted_at >= 0] if trashed else [Table.deleted_at.is_(None), Table.archived == archived]
    )
    return query.where(*where).order_by(Table.updated_at.desc(), Table.id.desc())


def _tags_of(connection: Connection, ids: Iterable[int]) -> dict[int, list[str]]:
    query = select(TagRow.conversation_id, TagRow.name).where(TagRow.conversation_id.in_(list(ids)))
    tags: dict[int, list[str]] = {}
    for id, name in connection.execute(query.order_by(TagRow.name)):
        tags.setdefault(id, []).append(name)
    return tags
