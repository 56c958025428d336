from __future__ import annotations

from typing import Any

from assistant.store.records import NewMessage, StoredMessage
from assistant.store.reviews import add_judgement
from assistant.store.store import Store
from guardrails.gate import Withheld
from guardrails.judge import Verdict


def say(store: Store, conversation_id: int, parent_id: int | None, text: str) -> StoredMessage:
    """A user's message to which no reply was begun."""
    (id,) = store.add_messages(conversation_id, [NewMessage("user", text, parent_id=parent_id)])
    return store.message(id)


def begin(store: Store, question: StoredMessage, model: str = "m") -> StoredMessage:
    """An empty reply to a stored message."""
    id = question.conversation_id
    persona = store.conversation(id).persona_version_id
    return store.start_reply(id, question.id, model=model, engine="e", params={"seed": 1}, persona_version_id=persona)


def judge(store: Store, message_id: int, *, withheld: str = "", policy_hash: str = "", **verdict: Any) -> None:
    """A verdict on a message that was not given with a reply's end, by default that the rules let it pass."""
    given = Verdict(**{"judge": "rules", "judge_version": "1", "passed": True, "stage": "final", **verdict})
    with store._write() as connection:
        add_judgement(connection, message_id, [given], [Withheld(given, withheld, 2)], policy_hash)
