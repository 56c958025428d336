from __future__ import annotations

import pytest

from assistant.store.errors import AlreadySentError, NotFoundError, StorageError
from assistant.store.records import Conversation, GrowingReply
from assistant.store.store import Store


def test_a_key_is_found_by_itself_until_it_is_revoked(store: Store) -> None:
    assert not store.has_keys()
    made, key = store.create_key("laptop", ["chat"])
    assert store.find_key(key) == made
    assert store.find_key(key + "x") is None
    assert store.find_key("") is None
    assert made.scopes == ("chat",)
    assert len({store.create_key("x")[1] for _ in range(5)}) == 5
    store.revoke_key(made.id)
    assert store.find_key(key) is None
    assert store.has_keys()
    assert [kept.revoked_at is None for kept in store.api_keys()] == [False] + [True] * 5
    with pytest.raises(NotFoundError):
        store.revoke_key(made.id)
    for scopes in ((), ("everything",)):
        with pytest.raises(StorageError, match="scopes are some of"):
            store.create_key("x", scopes)


def begin(store: Store, conversation: Conversation, key: str | None) -> int:
    return store.begin_turn(
        conversation.id,
        None,
        "hi",
        model="m",
        engine="e",
        params={},
        persona_version_id=conversation.persona_version_id,
        request_key=key,
    )[1].id


def test_a_request_key_is_used_once_in_a_conversation(store: Store, conversation: Conversation) -> None:
    reply = begin(store, conversation, "a")
    with pytest.raises(AlreadySentError) as sent:
        begin(store, conversation, "a")
    assert sent.value.reply_id == reply
    begin(store, conversation, "b")
    begin(store, conversation, None)
    begin(store, conversation, None)
    assert store.conversation(conversation.id).messages == 8
    other = store.create_conversation(conversation.persona_version_id)
    begin(store, other, "a")


def test_a_growing_reply_learns_that_it_shall_stop(store: Store, conversation: Conversation) -> None:
    reply = begin(store, conversation, None)
    assert store.grow_replies({reply: GrowingReply("a")}) == {reply: False}
    store.ask_to_stop(reply)
    assert store.grow_replies({reply: GrowingReply("ab")}) == {reply: True}
    store.finish_reply(reply, "ab", status="stopped")
    store.ask_to_stop(reply)
    for id in (reply - 1, 99):
        with pytest.raises(NotFoundError):
            store.ask_to_stop(id)
