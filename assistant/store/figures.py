"""Figures over many conversations, for a dashboard."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from assistant.store.access import Access
from assistant.store.records import DayCount, JudgedReply, TimedReply
from assistant.store.schema import ConversationRow, MessageRow, VerdictRow

# So many of the newest conversations are looked at: what people do now, and in a bounded time.
LOOKED_AT = 300
_DAY_MS = 86_400_000


class Figures(Access):
    def daily(self, since: int, *, user_id: int | None = None) -> list[DayCount]:
        """How many messages people wrote, and in how many conversations, on each UTC day from `since` (UTC ms) on."""
        day = (MessageRow.created_at // _DAY_MS).label("day")
        query = (
            select(day, func.count(), func.count(MessageRow.conversation_id.distinct()))
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            .where(MessageRow.role == "user", MessageRow.created_at >= since, ConversationRow.deleted_at.is_(None))
            .group_by(day)
            .order_by(day)
        )
        with self._read() as connection:
            rows = connection.execute(_of(query, user_id))
            return [DayCount(int(day) * _DAY_MS, messages, conversations) for day, messages, conversations in rows]

    def judged_replies(self, *, user_id: int | None = None) -> list[JudgedReply]:
        """Every verdict in the newest conversations, each with the turn its reply belongs to, from 1."""
        newest = _newest(user_id)
        shape = select(MessageRow.id, MessageRow.parent_id, MessageRow.role).where(
            MessageRow.conversation_id.in_(newest)
        )
        verdicts = select(
            VerdictRow.message_id,
            VerdictRow.judge,
            VerdictRow.stage,
            VerdictRow.decision,
            VerdictRow.score,
            VerdictRow.latency_ms,
        ).where(VerdictRow.message_id.in_(select(MessageRow.id).where(MessageRow.conversation_id.in_(newest))))
        turns: dict[int | None, int] = {None: 0}
        with self._read() as connection:
            # Parents are older, so their turn is known before it is asked for.
            for id, parent, role in connection.execute(shape.order_by(MessageRow.id)):
                turns[id] = turns[parent] + (role == "user")
            return [JudgedReply(turns[row[0]], *row[1:]) for row in connection.execute(verdicts)]

    def timed_replies(self, *, user_id: int | None = None) -> list[TimedReply]:
        """How long the replies of the newest conversations took."""
        query: Any = select(
            MessageRow.model,
            MessageRow.status,
            MessageRow.ttft_ms,
            MessageRow.duration_ms,
            MessageRow.completion_tokens,
        ).where(
            MessageRow.conversation_id.in_(_newest(user_id)),
            MessageRow.role == "assistant",
            MessageRow.duration_ms.is_not(None),
        )
        with self._read() as connection:
            return [TimedReply(*row) for row in connection.execute(query)]


def _newest(user_id: int | None) -> Any:
    query = select(ConversationRow.id).where(ConversationRow.deleted_at.is_(None))
    return _of(query, user_id).order_by(ConversationRow.updated_at.desc()).limit(LOOKED_AT).scalar_subquery()


def _of(query: Any, user_id: int | None) -> Any:
    return query if user_id is None else query.where(ConversationRow.user_id == user_id)
