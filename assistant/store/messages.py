"""Messages: a tree in every conversation. A write names its parent, so two writers make siblings and lose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.conversations import unknown_conversation
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import NewMessage, StoredMessage
from assistant.store.schema import ConversationRow
from assistant.store.schema import MessageRow as Table
from assistant.text import clean_text

COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Table.id,
    Table.conversation_id,
    Table.parent_id,
    Table.role,
    Table.content,
    Table.status,
    Table.finish_reason,
    Table.error,
    Table.model,
    Table.params,
    Table.prompt_tokens,
    Table.completion_tokens,
    Table.cached_tokens,
    Table.ttft_ms,
    Table.duration_ms,
    Table.persona_version_id,
    Table.dropped_turns,
    Table.created_at,
    Table.updated_at,
)


def _branch() -> Select[*tuple[Any, ...]]:
    up = select(Table.id, Table.parent_id).where(Table.id == bindparam("leaf")).cte("up", recursive=True)
    parent = aliased(Table)
    up = up.union_all(select(parent.id, parent.parent_id).join(up, parent.id == up.c.parent_id))
    # A parent is always older than its child.
    return select(*COLUMNS).join(up, up.c.id == Table.id).order_by(Table.id)


# What every turn does. Putting such a statement together takes longer than the database does to carry it out.
_BRANCH = _branch()
_ONE = select(*COLUMNS).where(Table.id == bindparam("message"))
_APPEND = insert(Table).returning(*COLUMNS)
_HELD = select(Table.id).where(Table.id == bindparam("message"), Table.conversation_id == bindparam("conversation"))
_HAS_MORE = (
    update(ConversationRow)
    .where(ConversationRow.id == bindparam("held"))
    .values(message_count=ConversationRow.message_count + bindparam("added"))
)
_GOES_ON = (
    update(ConversationRow)
    .where(ConversationRow.id == bindparam("held"))
    .values(active_leaf_id=bindparam("leaf"), updated_at=bindparam("moment"))
)


class Messages(Access):
    def add_messages(self, conversation_id: int, rows: Sequence[NewMessage]) -> list[int]:
        """Stores all of `rows` or none, parents before children, and returns their ids in the same order.

        The last row becomes the active leaf; the conversation's `updated_at` becomes its newest row's time.
        """
        if not rows:
            return []
        ids: list[int] = []
        moment = now()
        with self._write() as connection:
            add_rows(connection, conversation_id, rows, ids, moment)
            go_on(connection, conversation_id, ids[-1], newest(rows, moment))
        return ids

    def message(self, id: int) -> StoredMessage:
        """Raises NotFoundError where there is none."""
        with self._read() as connection:
            row = connection.execute(_ONE, {"message": id}).one_or_none()
        if row is None:
            raise unknown_message(id)
        return StoredMessage(*row)

    def branch(self, leaf_id: int) -> list[StoredMessage]:
        """The messages from the root to `leaf_id`, which need not be a leaf. Raises NotFoundError."""
        with self._read() as connection:
            rows = connection.execute(_BRANCH, {"leaf": leaf_id}).all()
        if not rows:
            raise unknown_message(leaf_id)
        return _messages(rows)

    def children(self, conversation_id: int, parent_id: int | None) -> list[StoredMessage]:
        """The messages under `parent_id`, oldest first; the roots for None."""
        return self._select(Table.conversation_id == conversation_id, Table.parent_id.is_not_distinct_from(parent_id))

    def siblings(self, message_id: int) -> list[StoredMessage]:
        """The message itself and those with the same parent, oldest first. Raises NotFoundError."""
        message = self.message(message_id)
        return self.children(message.conversation_id, message.parent_id)

    def all_messages(self, conversation_id: int) -> list[StoredMessage]:
        """Every branch, oldest first: parents come before their children."""
        return self._select(Table.conversation_id == conversation_id)

    def parents(self, conversation_id: int) -> list[tuple[int, int | None]]:
        """Every message's id with its parent's, oldest first: the conversation's shape without its words."""
        query = select(Table.id, Table.parent_id).where(Table.conversation_id == conversation_id).order_by(Table.id)
        with self._read() as connection:
            return [(id, parent) for id, parent in connection.execute(query)]

    def leaves(self, conversation_id: int) -> list[StoredMessage]:
        """The messages without children, oldest first: each ends one branch."""
        child = aliased(Table)
        has_child = (
            select(child.id).where(child.conversation_id == Table.conversation_id, child.parent_id == Table.id).exists()
        )
        return self._select(Table.conversation_id == conversation_id, ~has_child)

    def leaf_below(self, message_id: int) -> StoredMessage:
        """The newest leaf under the message, itself where it has no children. Raises NotFoundError."""
        down = select(Table.conversation_id, Table.id).where(Table.id == message_id).cte("down", recursive=True)
        child = aliased(Table)
        down = down.union_all(
            select(child.conversation_id, child.id).join(
                down, (child.conversation_id == down.c.conversation_id) & (child.parent_id == down.c.id)
            )
        )
        # The newest descendant has no children: they would be newer.
        query = select(*COLUMNS).where(Table.id == select(func.max(down.c.id)).scalar_subquery())
        with self._read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise unknown_message(message_id)
        return StoredMessage(*row)

    def set_active_leaf(self, conversation_id: int, message_id: int | None) -> None:
        """Where the conversation goes on; None starts anew. Raises NotFoundError where the message is not in it."""
        with self._write() as connection:
            if message_id is not None:
                require_parent(connection, conversation_id, message_id)
            changed = connection.execute(
                update(ConversationRow).where(ConversationRow.id == conversation_id).values(active_leaf_id=message_id)
            )
            if changed.rowcount == 0:
                raise unknown_conversation(conversation_id)

    def _select(self, *where: Any) -> list[StoredMessage]:
        with self._read() as connection:
            return _messages(connection.execute(select(*COLUMNS).where(*where).order_by(Table.id)).all())


def unknown_message(id: int) -> NotFoundError:
    """The error for an id that names no message."""
    return NotFoundError(f"There is no message {id}: `assistant conversations show` lists a conversation's messages.")


def append(
    connection: Connection, conversation_id: int, parent_id: int | None, moment: int, *, content: str, **values: Any
) -> StoredMessage:
    """Inserts one message, in the caller's transaction, which counts it, and has seen that there is its parent."""
    placed = {"conversation_id": conversation_id, "parent_id": parent_id, "content": clean_text(content)}
    row = connection.execute(_APPEND, {**placed, "created_at": moment, "updated_at": moment, **values}).one()
    return StoredMessage(*row)


def go_on(connection: Connection, conversation_id: int, leaf_id: int, moment: int) -> None:
    """Makes a message the active leaf, in the caller's transaction."""
    connection.execute(_GOES_ON, {"held": conversation_id, "leaf": leaf_id, "moment": moment})


def add_rows(
    connection: Connection, conversation_id: int, rows: Sequence[NewMessage], ids: list[int], moment: int
) -> None:
    """Inserts `rows`, in the caller's transaction. `ids` are those of the rows before them and grow by theirs."""
    _count(connection, conversation_id, len(rows))
    for row in rows:
        ids.append(_import(connection, conversation_id, row, ids, moment))


def newest(rows: Sequence[NewMessage], moment: int) -> int:
    """The time of the newest row; `moment` is now."""
    return max((moment if row.created_at is None else row.created_at for row in rows), default=moment)


def _import(connection: Connection, conversation_id: int, row: NewMessage, ids: list[int], moment: int) -> int:
    if row.after is not None and not 0 <= row.after < len(ids):
        raise StorageError(
            f"Message {len(ids)} names message {row.after} as its parent, which does not come before it."
        )
    parent_id = row.parent_id if row.after is None else ids[row.after]
    if row.after is None and parent_id is not None:
        require_parent(connection, conversation_id, parent_id)
    created_at = moment if row.created_at is None else row.created_at
    values = {column.key: getattr(row, column.key) for column in COLUMNS if hasattr(row, column.key)}
    values |= {
        "conversation_id": conversation_id,
        "parent_id": parent_id,
        "content": clean_text(row.content),
        "error": None if row.error is None else clean_text(row.error),
        "created_at": created_at,
        "updated_at": created_at,
    }
    return connection.scalars(insert(Table).returning(Table.id), values).one()


def _count(connection: Connection, conversation_id: int, added: int) -> None:
    if connection.execute(_HAS_MORE, {"held": conversation_id, "added": added}).rowcount == 0:
        raise unknown_conversation(conversation_id)


def require_parent(connection: Connection, conversation_id: int, message_id: int) -> None:
    """Raises NotFoundError where the conversation has no such message."""
    held = {"message": message_id, "conversation": conversation_id}
    if connection.scalars(_HELD, held).one_or_none() is None:
        raise NotFoundError(
            f"Message {message_id} is not in conversation {conversation_id}: "
            f"`assistant conversations show {conversation_id}` lists its messages."
        )


def _messages(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[StoredMessage]:
    return [StoredMessage(*row) for row in rows]
