from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import Conversation, NewMessage, PersonaVersion
from assistant.store.schema import MessageRow
from assistant.store.store import Store
from assistant.text import clean_text
from tests.assistant.store.saying import judge, say


def chain(store: Store, conversation: Conversation, *texts: str, parent: int | None = None) -> list[int]:
    rows = [
        NewMessage("user", text, after=position - 1 if position else None, parent_id=None if position else parent)
        for position, text in enumerate(texts)
    ]
    return store.add_messages(conversation.id, rows)


def test_a_message_is_stored_and_becomes_the_active_leaf(store: Store, conversation: Conversation) -> None:
    message = say(store, conversation.id, None, "ahoy")
    assert store.message(message.id) == message
    assert (message.role, message.content, message.status, message.parent_id) == ("user", "ahoy", "complete", None)
    changed = store.conversation(conversation.id)
    assert (changed.active_leaf_id, changed.messages) == (message.id, 1)
    assert changed.updated_at == message.created_at


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(text=st.text(st.characters()))
def test_text_comes_back_as_it_was_cleaned(store: Store, conversation: Conversation, text: str) -> None:
    assert store.message(say(store, conversation.id, None, text).id).content == clean_text(text)


def test_a_branch_goes_from_root_to_leaf(store: Store, conversation: Conversation) -> None:
    a, b, c = chain(store, conversation, "a", "b", "c")
    (d,) = chain(store, conversation, "d", parent=a)
    assert [message.id for message in store.branch(c)] == [a, b, c]
    assert [message.id for message in store.branch(d)] == [a, d]
    assert [message.id for message in store.branch(b)] == [a, b]
    with pytest.raises(NotFoundError):
        store.branch(99)


def test_the_tree_can_be_walked(store: Store, conversation: Conversation) -> None:
    a, b, c = chain(store, conversation, "a", "b", "c")
    (d,) = chain(store, conversation, "d", parent=a)
    (root,) = chain(store, conversation, "another root")
    assert [message.id for message in store.children(conversation.id, None)] == [a, root]
    assert [message.id for message in store.children(conversation.id, a)] == [b, d]
    assert [message.id for message in store.siblings(d)] == [b, d]
    assert [message.id for message in store.siblings(root)] == [a, root]
    assert [message.id for message in store.leaves(conversation.id)] == [c, d, root]
    assert [message.id for message in store.all_messages(conversation.id)] == [a, b, c, d, root]
    assert store.leaf_below(a).id == d
    assert store.leaf_below(b).id == c
    assert store.leaf_below(d).id == d
    with pytest.raises(NotFoundError):
        store.leaf_below(99)


def test_two_stores_that_answer_one_message_make_siblings(store: Store, conversation: Conversation) -> None:
    (root,) = chain(store, conversation, "question")
    with Store.open(store.url) as other:
        stores = [store, other] * 4
        threads = [
            threading.Thread(target=say, args=(writer, conversation.id, root, f"from {number}"))
            for number, writer in enumerate(stores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    siblings = store.children(conversation.id, root)
    assert sorted(message.content for message in siblings) == [f"from {number}" for number in range(8)]
    changed = store.conversation(conversation.id)
    assert changed.messages == 9
    assert changed.active_leaf_id == siblings[-1].id


def test_a_parent_must_be_in_the_same_conversation(
    store: Store, conversation: Conversation, pirate: PersonaVersion
) -> None:
    (stranger,) = chain(store, store.create_conversation(pirate.id), "elsewhere")
    with pytest.raises(NotFoundError, match=f"Message {stranger} is not in conversation {conversation.id}"):
        say(store, conversation.id, stranger, "x")
    with pytest.raises(NotFoundError):
        store.set_active_leaf(conversation.id, stranger)
    with pytest.raises(NotFoundError):
        store.add_messages(conversation.id, [NewMessage("user", "x", parent_id=stranger)])
    assert store.conversation(conversation.id).messages == 0


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"parent_id": 1}, id="parent in another conversation"),
        pytest.param({"id": 5, "parent_id": 5}, id="its own parent"),
        pytest.param({"role": "robot"}, id="role"),
        pytest.param({"status": "done"}, id="status"),
        pytest.param({"conversation_id": 99}, id="no conversation"),
        pytest.param({"persona_version_id": 99}, id="no persona"),
    ],
)
def test_the_database_itself_refuses_a_wrong_row(
    store: Store, conversation: Conversation, pirate: PersonaVersion, wrong: dict[str, object]
) -> None:
    other = store.create_conversation(pirate.id)
    chain(store, other, "message 1")
    row = {
        "conversation_id": conversation.id,
        "role": "user",
        "content": "",
        "status": "complete",
        "created_at": 0,
        "updated_at": 0,
    }
    with pytest.raises(IntegrityError), store._engine.begin() as connection:
        connection.execute(insert(MessageRow), row | wrong)


def test_an_unknown_conversation_takes_no_message(store: Store) -> None:
    with pytest.raises(NotFoundError, match="conversation 7"):
        say(store, 7, None, "x")
    with pytest.raises(NotFoundError, match="conversation 7"):
        store.set_active_leaf(7, None)


def test_an_import_keeps_roles_times_and_shape(store: Store, conversation: Conversation) -> None:
    ids = store.add_messages(
        conversation.id,
        [
            NewMessage("system", "be kind", created_at=1_000),
            NewMessage("user", "hi \ud800", after=0, created_at=2_000),
            NewMessage("assistant", "hello", after=1, created_at=3_000, model="old", params={"seed": 1}),
            NewMessage("assistant", "hey", after=1, created_at=2_500, status="stopped", completion_tokens=1),
        ],
    )
    stored = store.all_messages(conversation.id)
    assert [message.id for message in stored] == ids
    assert [message.parent_id for message in stored] == [None, ids[0], ids[1], ids[1]]
    assert [message.created_at for message in stored] == [1_000, 2_000, 3_000, 2_500]
    assert [message.role for message in stored] == ["system", "user", "assistant", "assistant"]
    assert stored[1].content == "hi �"
    assert (stored[2].model, stored[2].params, stored[3].status) == ("old", {"seed": 1}, "stopped")
    changed = store.conversation(conversation.id)
    assert (changed.messages, changed.active_leaf_id, changed.updated_at) == (4, ids[-1], 3_000)


def test_an_import_is_stored_whole_or_not_at_all(store: Store, conversation: Conversation) -> None:
    with pytest.raises(StorageError, match="does not come before"):
        store.add_messages(conversation.id, [NewMessage("user", "a"), NewMessage("user", "b", after=1)])
    assert store.all_messages(conversation.id) == []
    assert store.add_messages(conversation.id, []) == []


def test_the_active_leaf_can_be_any_message_or_none(store: Store, conversation: Conversation) -> None:
    a, _ = chain(store, conversation, "a", "b")
    store.set_active_leaf(conversation.id, a)
    assert store.conversation(conversation.id).active_leaf_id == a
    store.set_active_leaf(conversation.id, None)
    assert store.conversation(conversation.id).active_leaf_id is None


def test_verdicts_and_feedback_are_kept_in_order(store: Store, conversation: Conversation) -> None:
    (message,) = chain(store, conversation, "a")
    judge(
        store,
        message,
        judge="reward",
        judge_version="2",
        score=0.25,
        threshold=0.5,
        passed=False,
        reason="unsafe",
        policy_hash="abc",
        latency_ms=1.5,
    )
    judge(store, message, score=float("nan"))
    first, second = store.verdicts(message)
    assert (first.judge, first.judge_version, first.decision, first.policy_hash) == ("reward", "2", "block", "abc")
    assert (first.message_id, first.stage, first.reason) == (message, "final", "unsafe")
    assert (second.message_id, second.judge, second.decision) == (message, "rules", "pass")
    assert (first.score, first.threshold, first.latency_ms, second.score) == (0.25, 0.5, 1.5, None)
    good, bad = store.add_feedback(message, 1), store.add_feedback(message, -1, "no \0")
    assert store.feedback(message) == [good, bad]
    assert bad.comment == "no �"
    with pytest.raises(StorageError, match="1 for good or -1 for bad"):
        store.add_feedback(message, 0)
    with pytest.raises(NotFoundError):
        store.add_feedback(99, 1)
