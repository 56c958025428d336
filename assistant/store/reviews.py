"""What judges and people said about messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.errors import StorageError
from assistant.store.messages import unknown_message
from assistant.store.records import Feedback, Verdict
from assistant.store.schema import FeedbackRow, MessageRow, VerdictRow, WithheldRow
from assistant.text import clean_text
from guardrails import judge
from guardrails.gate import Withheld

_VERDICT: tuple[InstrumentedAttribute[Any], ...] = (
    VerdictRow.id,
    VerdictRow.message_id,
    VerdictRow.stage,
    VerdictRow.judge,
    VerdictRow.judge_version,
    VerdictRow.score,
    VerdictRow.threshold,
    VerdictRow.decision,
    VerdictRow.reason,
    VerdictRow.policy_hash,
    VerdictRow.latency_ms,
    VerdictRow.created_at,
)
_FEEDBACK: tuple[InstrumentedAttribute[Any], ...] = (
    FeedbackRow.id,
    FeedbackRow.message_id,
    FeedbackRow.rating,
    FeedbackRow.comment,
    FeedbackRow.created_at,
)


class Reviews(Access):
    def verdicts(self, message_id: int) -> list[Verdict]:
        """In the order they were reached."""
        query = select(*_VERDICT).where(VerdictRow.message_id == message_id).order_by(VerdictRow.id)
        with self._read() as connection:
            return [Verdict(*row) for row in connection.execute(query)]

    def withheld(self, message_id: int) -> list[str]:
        """What the guard held back of a message's reply, the oldest first."""
        query = select(WithheldRow.text).where(WithheldRow.message_id == message_id).order_by(WithheldRow.id)
        with self._read() as connection:
            return [row.text for row in connection.execute(query)]

    def reviews(self, conversation_id: int) -> tuple[list[Verdict], list[Feedback]]:
        """All verdicts and feedback on the conversation's messages, each in the order it was given."""
        held = select(MessageRow.id).where(MessageRow.conversation_id == conversation_id)
        verdicts = select(*_VERDICT).where(VerdictRow.message_id.in_(held)).order_by(VerdictRow.id)
        feedback = select(*_FEEDBACK).where(FeedbackRow.message_id.in_(held)).order_by(FeedbackRow.id)
        with self._read() as connection:
            return (
                [Verdict(*row) for row in connection.execute(verdicts)],
                [Feedback(*row) for row in connection.execute(feedback)],
            )

    def add_feedback(self, message_id: int, rating: int, comment: str = "") -> Feedback:
        """`rating` is 1 for good, -1 for bad. Earlier feedback stays. Raises StorageError, NotFoundError."""
        if rating not in (-1, 1):
            raise StorageError(f"A rating is 1 for good or -1 for bad, not {rating}.")
        with self._write() as connection:
            _require(connection, message_id)
            row = connection.execute(
                insert(FeedbackRow)
                .values(message_id=message_id, rating=rating, comment=clean_text(comment), created_at=now())
                .returning(*_FEEDBACK)
            ).one()
        return Feedback(*row)

    def newest_feedback(self, conversation_id: int) -> int | None:
        """The id of what was last said about one of the conversation's messages: it changes when something is said."""
        held = select(MessageRow.id).where(MessageRow.conversation_id == conversation_id)
        with self._read() as connection:
            return connection.scalars(select(func.max(FeedbackRow.id)).where(FeedbackRow.message_id.in_(held))).one()

    def feedback(self, message_id: int) -> list[Feedback]:
        """In the order it was given: the last one is what the person thinks now."""
        query = select(*_FEEDBACK).where(FeedbackRow.message_id == message_id).order_by(FeedbackRow.id)
        with self._read() as connection:
            return [Feedback(*row) for row in connection.execute(query)]


def add_judgement(
    connection: Connection,
    message_id: int,
    verdicts: Sequence[judge.Verdict],
    withheld: Sequence[Withheld],
    policy_hash: str,
) -> None:
    """What a guard said of a message and held back of it, in the caller's transaction."""
    moment = now()
    judged = [
        {
            "message_id": message_id,
            "stage": verdict.stage,
            "judge": verdict.judge,
            "judge_version": verdict.judge_version,
            # NaN compares with nothing and SQLite has none.
            "score": None if verdict.score is None or verdict.score != verdict.score else verdict.score,
            "threshold": verdict.threshold,
            "decision": verdict.decision,
            "reason": clean_text(verdict.reason),
            "policy_hash": policy_hash,
            "latency_ms": verdict.latency_ms,
            "created_at": moment,
        }
        for verdict in verdicts
    ]
    if judged:
        connection.execute(insert(VerdictRow), judged)
    held = [
        {"message_id": message_id, "text": clean_text(one.text), "shown": one.shown, "created_at": moment}
        for one in withheld
        if one.text
    ]
    if held:
        connection.execute(insert(WithheldRow), held)


def _require(connection: Connection, message_id: int) -> None:
    if connection.scalars(select(MessageRow.id).where(MessageRow.id == message_id)).one_or_none() is None:
        raise unknown_message(message_id)
