from __future__ import annotations

from assistant.store.records import NewMessage, StoredMessage
from assistant.store.store import Store


def say(store: Store, conversation_id: int, parent_id: int | None, text: str) -> StoredMessage:
    """A user's message to which no reply was begun."""
    (id,) = store.add_messages(conversation_id, [NewMessage("user", text, parent_id=parent_id)])
    return store.message(id)
