from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.store.check import check
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import Conversation, NewMessage, PersonaVersion
from assistant.store.schema import PersonaVersionRow
from assistant.store.store import Store
from tests.assistant.store.saying import judge, say


def test_a_new_conversation_is_found_as_it_was_made(store: Store, conversation: Conversation) -> None:
    assert store.conversation(conversation.id) == conversation
    assert (conversation.title, conversation.model, conversation.engine) == ("At sea", "m", "e")
    assert (conversation.messages, conversation.active_leaf_id, conversation.persistence) == (0, None, None)


def test_an_unknown_conversation_is_an_error_that_says_where_to_look(store: Store) -> None:
    with pytest.raises(NotFoundError, match="assistant conversations list"):
        store.conversation(12)
    with pytest.raises(NotFoundError):
        store.set_title(12, "x")
    with pytest.raises(NotFoundError):
        store.delete(12)
    with pytest.raises(NotFoundError):
        store.add_tag(12, "x")
    with pytest.raises(NotFoundError):
        store.stats(12)


def test_a_conversation_needs_a_stored_persona(store: Store, conversation: Conversation) -> None:
    with pytest.raises(NotFoundError, match="persona version 99"):
        store.create_conversation(99)
    with pytest.raises(NotFoundError, match="persona version 99"):
        store.set_persona(conversation.id, 99)


def test_settings_are_kept(store: Store, conversation: Conversation, pirate: PersonaVersion) -> None:
    other = store.save_persona(Persona(name="sage", title="Sage", instruction="Be wise."))
    store.set_title(conversation.id, "  two\n words ")
    store.set_persona(conversation.id, other.id)
    store.set_persistence(conversation.id, "remind")
    store.set_sampling(conversation.id, Sampling(temperature=0, seed=7))
    store.set_guard(conversation.id, "strict")
    store.set_pinned(conversation.id, True)
    store.set_archived(conversation.id, True)
    changed = store.conversation(conversation.id)
    assert changed.title == "two words"
    assert changed.persona_version_id == other.id
    assert changed.persistence == "remind"
    assert (changed.pinned, changed.archived) == (True, True)
    assert (changed.sampling, changed.guard) == (Sampling(temperature=0, seed=7), "strict")
    store.set_persistence(conversation.id, None)
    store.set_sampling(conversation.id, None)
    store.set_guard(conversation.id, None)
    changed = store.conversation(conversation.id)
    assert (changed.persistence, changed.sampling, changed.guard) == (None, None, None)


def test_the_list_is_ordered_by_what_was_said_last(store: Store, pirate: PersonaVersion) -> None:
    first, second, third = (store.create_conversation(pirate.id).id for _ in range(3))
    time.sleep(0.002)  # what happens in one millisecond is at one time
    say(store, first, None, "hello")
    listed = store.list_conversations()
    assert [summary.id for summary in listed] == [first, third, second]
    assert (listed[0].messages, listed[0].persona) == (1, "pirate")
    assert [summary.id for summary in store.list_conversations(1, 1)] == [third]
    latest = store.latest_conversation()
    assert latest is not None
    assert latest.id == first


def test_the_latest_conversation_is_one_in_which_something_was_said(store: Store, pirate: PersonaVersion) -> None:
    assert store.latest_conversation() is None
    spoken = store.create_conversation(pirate.id).id
    store.add_messages(spoken, [NewMessage("user", "hello", created_at=1_000)])
    store.create_conversation(pirate.id)
    latest = store.latest_conversation()
    assert latest is not None
    assert latest.id == spoken


def test_the_list_can_be_narrowed(store: Store, pirate: PersonaVersion) -> None:
    sage = store.save_persona(Persona(name="sage", title="Sage", instruction="Be wise."))
    one, two = store.create_conversation(pirate.id).id, store.create_conversation(sage.id).id
    store.add_tag(one, "Work")
    store.add_tag(one, "later")
    assert [(found.id, found.tags) for found in store.list_conversations(tag="work")] == [(one, ("later", "work"))]
    assert [found.id for found in store.list_conversations(persona="sage")] == [two]
    assert store.list_conversations(tag="work", persona="sage") == []


def test_tags_have_no_case_and_are_held_once(store: Store, conversation: Conversation) -> None:
    for tag in ("Work", "work ", "b", " "):
        store.add_tag(conversation.id, tag)
    assert store.tags(conversation.id) == ["b", "work"]
    store.remove_tag(conversation.id, "WORK")
    store.remove_tag(conversation.id, "never there")
    assert store.tags(conversation.id) == ["b"]


def test_archive_and_trash_take_a_conversation_out_of_the_list(store: Store, conversation: Conversation) -> None:
    store.set_archived(conversation.id, True)
    assert store.list_conversations() == []
    assert [found.id for found in store.list_conversations(archived=True)] == [conversation.id]
    store.trash(conversation.id)
    assert store.list_conversations(archived=True) == []
    assert store.latest_conversation() is None
    assert [found.id for found in store.list_conversations(trashed=True)] == [conversation.id]
    trashed_at = store.conversation(conversation.id).deleted_at
    store.trash(conversation.id)
    assert store.conversation(conversation.id).deleted_at == trashed_at
    store.restore(conversation.id)
    assert [found.id for found in store.list_conversations(archived=True)] == [conversation.id]


def test_deleting_leaves_nothing_behind(store: Store, conversation: Conversation, pirate: PersonaVersion) -> None:
    question = say(store, conversation.id, None, "the unmistakable secret sentence")
    reply = store.start_reply(
        conversation.id, question.id, model="m", engine="e", params={}, persona_version_id=pirate.id
    )
    store.finish_reply(reply.id, "it is safe", status="complete")
    store.add_tag(conversation.id, "x")
    store.add_feedback(reply.id, 1)
    judge(store, reply.id)
    store.delete(conversation.id)
    assert store.counts().messages == 0
    assert store.search("unmistakable") == []
    assert (store.tags(conversation.id), store.feedback(reply.id), store.verdicts(reply.id)) == ([], [], [])
    with pytest.raises(NotFoundError):
        store.message(reply.id)
    assert store.path is not None
    on_disk = b"".join(file.read_bytes() for file in store.path.parent.iterdir())
    assert b"secret sentence" not in on_disk


def test_a_long_branch_can_be_deleted(store: Store, conversation: Conversation) -> None:
    rows = [NewMessage("user", "x", after=place - 1 if place else None) for place in range(1_500)]
    store.add_messages(conversation.id, rows)
    store.delete(conversation.id)
    assert store.all_messages(conversation.id) == []


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (path, path.with_name(f"{path.name}-wal")) if file.exists())


@pytest.mark.parametrize("among", [0, 300])
def test_deleted_words_are_gone_from_the_file(path: Path, among: int) -> None:
    """Also from the search index, which keeps every word by itself."""
    with Store.open(str(path)) as store:
        pirate = store.save_persona(Persona(name="pirate", title="Pirate", instruction="Ahoy."))
        others = [NewMessage("user", f"parrot number {number}") for number in range(among)]
        kept, gone = store.create_conversation(pirate.id).id, store.create_conversation(pirate.id).id
        store.add_messages(kept, others)
        (reply,) = store.add_messages(gone, [NewMessage("assistant", "Zyxomaq \u0438\u0441\u043a\u0440\u0430 qwvzanl")])
        store.add_feedback(reply, 1, "Xyzzyfoo")
        store.add_messages(kept, others)
        assert store.search("zyxomaq")
        store.delete(gone)
    on_disk = bytes_of(path).lower()
    assert [
        word for word in ("yxomaq", "\u0441\u043a\u0440\u0430", "wvzanl", "yzzyfoo") if word.encode() in on_disk
    ] == []
    with Store.open(str(path)) as store:
        assert len(store.search("parrot", limit=1000)) == 2 * among
    assert check(store.url) == []


def test_a_log_that_is_read_while_a_conversation_is_deleted_is_emptied_at_close(path: Path) -> None:
    store = Store.open(str(path), busy_timeout_ms=50)
    pirate = store.save_persona(Persona(name="pirate", title="Pirate", instruction="Ahoy."))
    gone = store.create_conversation(pirate.id).id
    store.add_messages(gone, [NewMessage("user", "zyxomaq")])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchone()
    store.delete(gone)
    log = path.with_name(f"{path.name}-wal")
    reader.execute("COMMIT")
    assert log.stat().st_size > 0
    store.close()
    assert log.stat().st_size == 0
    reader.close()
    assert b"yxomaq" not in bytes_of(path)


def test_ids_are_never_used_again(store: Store, conversation: Conversation, pirate: PersonaVersion) -> None:
    store.delete(conversation.id)
    assert store.create_conversation(pirate.id).id > conversation.id


def test_stats_and_counts_sum_up(store: Store, conversation: Conversation, pirate: PersonaVersion) -> None:
    parent = None
    for ttft in (100, 200):
        question = say(store, conversation.id, parent, "q")
        reply = store.start_reply(
            conversation.id, question.id, model="m", engine="e", params={}, persona_version_id=pirate.id
        )
        parent = store.finish_reply(
            reply.id,
            "a",
            status="complete",
            prompt_tokens=10,
            completion_tokens=5,
            cached_tokens=4,
            ttft_ms=ttft,
            duration_ms=1000,
        ).id
    stats = store.stats(conversation.id)
    assert (stats.turns, stats.messages, stats.replies) == (2, 4, 2)
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cached_tokens) == (20, 10, 8)
    assert (stats.duration_ms, stats.ttft_ms) == (2000, 150)
    store.trash(store.create_conversation(pirate.id).id)
    store.set_archived(store.create_conversation(pirate.id).id, True)
    counts = store.counts()
    assert (counts.conversations, counts.archived, counts.trashed) == (2, 1, 1)
    assert (counts.messages, counts.personas) == (4, 1)


def test_a_persona_that_this_version_cannot_read_is_named(store: Store, pirate: PersonaVersion) -> None:
    with store._engine.begin() as connection:
        connection.execute(update(PersonaVersionRow).values(spec={"name": "pirate", "title": "P", "instruction": ""}))
    with pytest.raises(StorageError, match=r"Version 1 of the persona pirate .*instruction.*save the persona again"):
        store.persona_version(pirate.id)


def test_one_content_is_one_version_of_a_persona(store: Store, pirate: PersonaVersion) -> None:
    assert store.save_persona(pirate.persona) == pirate
    edited = pirate.persona.model_copy(update={"instruction": "Talk like a captain."})
    second = store.save_persona(edited)
    assert (second.version, second.persona) == (2, edited)
    assert store.save_persona(pirate.persona) == pirate
    assert store.persona_versions("pirate") == [pirate, second]
    assert store.persona_versions("nobody") == []
    assert store.persona_version(pirate.id).persona.instruction == "Talk like a pirate."
    with pytest.raises(NotFoundError, match="assistant personas list"):
        store.persona_version(99)
