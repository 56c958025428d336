"""Replies while they are written: stored from their first moment, and owned by the process that writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, or_, select, update

from assistant.events import End
from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.conversations import clean_title, unknown_conversation
from assistant.store.errors import AlreadySentError, StorageError
from assistant.store.messages import COLUMNS, append, go_on, require_parent, unknown_message
from assistant.store.owner import is_alive, this_process
from assistant.store.records import GrowingReply, StoredMessage
from assistant.store.reviews import add_judgement
from assistant.store.schema import ConversationRow
from assistant.store.schema import MessageRow as Table
from assistant.text import clean_text, title_of
from guardrails.gate import Withheld
from guardrails.judge import Verdict

# A finished reply has no owner; one that was only taken for dead still has, and its writer may come back.
_UNFINISHED = or_(Table.status == "streaming", and_(Table.status == "interrupted", Table.owner.is_not(None)))
# Made once, as in `messages`: every running reply is written about twice a second.
_GROW = (
    update(Table)
    .where(Table.id == bindparam("reply"), _UNFINISHED)
    .values(
        status="streaming",
        content=bindparam("text"),
        prompt_tokens=bindparam("tokens"),
        dropped_turns=bindparam("turns"),
        updated_at=bindparam("moment"),
    )
    .returning(Table.stop_asked_at)
)
# All that a turn's beginning changes of its conversation but the leaf, whose id is not known yet.
_BEGINS = (
    update(ConversationRow)
    .where(ConversationRow.id == bindparam("held"))
    .values(
        message_count=ConversationRow.message_count + bindparam("added"),
        title=case((ConversationRow.title == "", bindparam("first")), else_=ConversationRow.title),
        model=bindparam("by_model"),
        engine=bindparam("by_engine"),
    )
)


class Replies(Access):
    def begin_turn(
        self,
        conversation_id: int,
        parent_id: int | None,
        text: str,
        *,
        model: str,
        engine: str,
        params: dict[str, Any],
        persona_version_id: int,
        request_key: str | None = None,
    ) -> tuple[StoredMessage, StoredMessage]:
        """What a person said and the empty reply to it, both stored or neither; the reply is the new active leaf.

        `parent_id` None starts a new root, and a conversation without a title is called by it; `model` and `engine`
        are the conversation's from now on. The reply goes on as one of `start_reply` does.
        Raises NotFoundError where conversation or parent does not exist in it, AlreadySentError where a message with
        this `request_key` does.
        """
        values = {"role": "user", "content": text, "status": "complete"}
        with self._write() as connection:
            if request_key is not None:
                _refuse_second(connection, conversation_id, request_key)
                values["request_key"] = request_key
            title = clean_title(title_of(text)) if parent_id is None else ""
            _begin(connection, conversation_id, parent_id, 2, model, engine, title)
            moment = now()
            asked = append(connection, conversation_id, parent_id, moment, **values)
            return asked, _start(connection, conversation_id, asked.id, moment, model, params, persona_version_id)

    def start_reply(
        self,
        conversation_id: int,
        parent_id: int,
        *,
        model: str,
        engine: str,
        params: dict[str, Any],
        persona_version_id: int,
    ) -> StoredMessage:
        """Another empty reply to the stored message `parent_id`, with status "streaming": the new active leaf.

        Renew the reply with `grow_replies` about once a second and end it with `finish_reply`. Raises NotFoundError.
        """
        with self._write() as connection:
            _begin(connection, conversation_id, parent_id, 1, model, engine)
            return _start(connection, conversation_id, parent_id, now(), model, params, persona_version_id)

    def grow_replies(self, replies: Mapping[int, GrowingReply]) -> dict[int, bool | StorageError]:
        """Replaces what is known of each reply, and shows that its writer lives. All in one transaction.

        Of each: whether somebody asked for it to stop, or why it was not written: StorageError where it is finished,
        NotFoundError where it is gone.
        """
        found: dict[int, bool | StorageError] = {}
        moment = now()
        with self._write() as connection:
            # In the order of their ids: two writers that wait for each other's rows would wait for ever.
            for id, reply in sorted(replies.items()):
                sent = {"tokens": reply.prompt_tokens, "turns": reply.dropped_turns}
                values = {"reply": id, "text": clean_text(reply.text), "moment": moment, **sent}
                row = connection.execute(_GROW, values).one_or_none()
                found[id] = _not_unfinished(connection, id) if row is None else row.stop_asked_at is not None
        return found

    def ask_to_stop(self, id: int) -> None:
        """Tells the process that writes the reply, wherever it runs, to stop; it looks about twice a second.

        Nothing happens to a reply that has ended. Raises NotFoundError where there is none.
        """
        with self._write() as connection:
            waiting = (Table.id == id, Table.status == "streaming")
            if connection.execute(update(Table).where(*waiting).values(stop_asked_at=now())).rowcount == 0:
                found = connection.scalars(select(Table.role).where(Table.id == id)).one_or_none()
                if found != "assistant":
                    raise unknown_message(id)

    def finish_reply(
        self,
        id: int,
        content: str,
        *,
        status: End,
        finish_reason: str | None = None,
        error: str | None = None,
        prompt_tokens: int = 0,
        dropped_turns: int = 0,
        completion_tokens: int = 0,
        cached_tokens: int = 0,
        ttft_ms: int | None = None,
        duration_ms: int = 0,
        verdicts: Sequence[Verdict] = (),
        withheld: Sequence[Withheld] = (),
        policy_hash: str = "",
    ) -> StoredMessage:
        """Ends the reply, once, with its whole text, and what the guard said of it by the policy with that hash.

        All of it is stored or nothing. Raises StorageError where the reply is finished already.
        """
        values = {
            "status": status,
            "content": clean_text(content),
            "finish_reason": finish_reason,
            "error": None if error is None else clean_text(error),
            "prompt_tokens": prompt_tokens,
            "dropped_turns": dropped_turns,
            "completion_tokens": completion_tokens,
            "cached_tokens": cached_tokens,
            "ttft_ms": ttft_ms,
            "duration_ms": duration_ms,
            "owner": None,
            "updated_at": now(),
        }
        with self._write() as connection:
            reply = _finish(connection, id, values)
            add_judgement(connection, id, verdicts, withheld, policy_hash)
        return reply

    def interrupt_dead(self) -> list[int]:
        """Marks replies whose writer died as interrupted, their text kept, and returns their ids."""
        query = select(Table.id, Table.owner, Table.updated_at).where(Table.status == "streaming")
        with self._read() as connection:
            streaming = connection.execute(query).all()
        dead = [row for row in streaming if not is_alive(row.owner, row.updated_at)]
        if not dead:
            return []
        marked: list[int] = []
        with self._write() as connection:
            for row in dead:
                # Unless it was renewed since it was looked at.
                same = (Table.id == row.id, Table.status == "streaming", Table.updated_at == row.updated_at)
                if connection.execute(update(Table).where(*same).values(status="interrupted")).rowcount:
                    marked.append(row.id)
        return marked


def _finish(connection: Connection, id: int, values: dict[str, Any]) -> StoredMessage:
    row = connection.execute(
        update(Table).where(Table.id == id, _UNFINISHED).values(values).returning(*COLUMNS)
    ).one_or_none()
    if row is None:
        raise _not_unfinished(connection, id)
    connection.execute(
        update(ConversationRow).where(ConversationRow.id == row.conversation_id).values(updated_at=row.updated_at)
    )
    return StoredMessage(*row)


def _not_unfinished(connection: Connection, id: int) -> StorageError:
    status = connection.scalars(select(Table.status).where(Table.id == id)).one_or_none()
    if status is None:
        return unknown_message(id)
    return StorageError(f"Reply {id} is already {status} and cannot be changed: start a new one.")


def _refuse_second(connection: Connection, conversation_id: int, request_key: str) -> None:
    # Whoever sends the same request at the same time waits here; SQLite has one writer anyway.
    connection.execute(select(ConversationRow.id).where(ConversationRow.id == conversation_id).with_for_update())
    sent = (Table.conversation_id == conversation_id, Table.request_key == request_key)
    asked = connection.scalars(select(Table.id).where(*sent)).one_or_none()
    if asked is not None:
        # The reply to it was stored in the same transaction.
        first = select(func.min(Table.id)).where(Table.conversation_id == conversation_id, Table.parent_id == asked)
        raise AlreadySentError(connection.scalars(first).one())


def _begin(
    connection: Connection,
    conversation_id: int,
    parent_id: int | None,
    added: int,
    model: str,
    engine: str,
    title: str = "",
) -> None:
    values = {"held": conversation_id, "added": added, "first": title}
    values |= {"by_model": clean_text(model), "by_engine": clean_text(engine)}
    if connection.execute(_BEGINS, values).rowcount == 0:
        raise unknown_conversation(conversation_id)
    if parent_id is not None:
        require_parent(connection, conversation_id, parent_id)


def _start(
    connection: Connection,
    conversation_id: int,
    parent_id: int,
    moment: int,
    model: str,
    params: dict[str, Any],
    persona_version_id: int,
) -> StoredMessage:
    reply = append(
        connection,
        conversation_id,
        parent_id,
        moment,
        role="assistant",
        content="",
        status="streaming",
        model=clean_text(model),
        params=params,
        persona_version_id=persona_version_id,
        owner=this_process(),
    )
    go_on(connection, conversation_id, reply.id, moment)
    return reply
