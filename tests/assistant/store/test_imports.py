from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from assistant.store import imports
from assistant.store.check import check
from assistant.store.clock import now
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import Conversation, Feedback, NewConversation, NewMessage, PersonaVersion
from assistant.store.schema import ConversationRow, MessageRow
from assistant.store.store import Store

ROOT = Path(__file__).parents[3]

IMPORTER = """
import sys, time
from assistant.store import imports
from assistant.store.records import NewConversation, NewMessage
from assistant.store.store import Store
store = Store.open(sys.argv[1])
add_rows, parts = imports.add_rows, 0
def stop_at_the_third(*arguments):
    global parts
    parts += 1
    if parts == 3:
        print("two parts are stored", flush=True)
        sys.stdin.read()
    add_rows(*arguments)
imports.add_rows = stop_at_the_third
rows = [NewMessage("user", "parrot", after=n - 1 if n else None) for n in range(3500)]
store.import_conversation(NewConversation(1, rows))
"""


def chain(length: int) -> list[NewMessage]:
    return [NewMessage("user", "parrot", after=place - 1 if place else None) for place in range(length)]


def assert_nothing_is_seen(store: Store, known: Conversation) -> None:
    assert [found.id for found in store.list_conversations()] == [known.id]
    assert store.list_conversations(archived=True) == store.list_conversations(trashed=True) == []
    counts = store.counts()
    assert (counts.conversations, counts.trashed, counts.messages) == (1, 0, 0)
    assert store.latest_conversation() is None
    assert store.search("parrot") == store.search("parrot", conversation_id=known.id + 1) == []
    for use in (store.conversation, store.restore, store.trash, store.delete, store.stats):
        with pytest.raises(NotFoundError):
            use(known.id + 1)


def stored(store: Store) -> int:
    with store._engine.begin() as connection:
        return len(connection.scalars(select(MessageRow.id)).all())


def silence(store: Store, id: int) -> None:
    with store._engine.begin() as connection:
        connection.execute(update(ConversationRow).where(ConversationRow.id == id).values(deleted_at=120_000 - now()))


def test_a_large_import_is_whole_before_it_is_seen_and_lets_others_write(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    with Store.open(store.url, busy_timeout_ms=0) as other:

        def in_between(_seconds: float) -> None:
            assert_nothing_is_seen(other, conversation)
            other.set_title(conversation.id, f"after {stored(other)}")
            seen.append(stored(other))

        monkeypatch.setattr("assistant.store.imports.time.sleep", in_between)
        reviews = [Feedback(0, place, 1, "good", 5) for place in range(1_500)]
        id = store.import_conversation(NewConversation(1, chain(2_500), active=2_499, feedback=reviews))
    assert seen == [0, 1_000, 2_000, 2_500, 2_500]
    whole = store.conversation(id)
    leaf = whole.active_leaf_id
    assert leaf is not None
    assert (whole.messages, whole.deleted_at, len(store.branch(leaf))) == (2_500, None, 2_500)
    assert len(store.reviews(id)[1]) == 1_500
    assert [found.id for found in store.list_conversations()] == [id, conversation.id]


def test_long_messages_make_short_parts(store: Store, pirate: PersonaVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PART_CHARACTERS", 10)
    pauses: list[float] = []
    monkeypatch.setattr("assistant.store.imports.time.sleep", pauses.append)
    rows = [NewMessage("user", "x" * length) for length in (11, 4, 6, 1, 1)]
    id = store.import_conversation(NewConversation(pirate.id, rows))
    assert len(pauses) == 3
    assert [len(message.content) for message in store.all_messages(id)] == [11, 4, 6, 1, 1]


def test_an_import_that_fails_half_way_leaves_nothing(store: Store, conversation: Conversation) -> None:
    with pytest.raises(StorageError, match="does not come before"):
        store.import_conversation(NewConversation(1, [*chain(2_500), NewMessage("user", "x", after=2_500)], tags=["a"]))
    assert_nothing_is_seen(store, conversation)
    assert stored(store) == 0
    with store._engine.begin() as connection:
        assert connection.scalars(select(ConversationRow.id)).all() == [conversation.id]


def test_a_killed_import_is_not_seen_and_is_removed_later(store: Store, conversation: Conversation) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", IMPORTER, str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "two parts are stored\n"
        child.send_signal(signal.SIGKILL)
    assert stored(store) == 2_000
    assert_nothing_is_seen(store, conversation)
    with Store.open(store.url) as other:
        # For all that is known it may still be at work.
        assert stored(other) == 2_000
    assert check(store.url) == []
    silence(store, conversation.id + 1)
    with Store.open(store.url) as other:
        assert stored(other) == 0
        assert_nothing_is_seen(other, conversation)
    with sqlite3.connect(str(store.path)) as raw:
        assert raw.execute("SELECT count(*) FROM conversation").fetchone() == (1,)
    raw.close()


def test_an_import_that_was_taken_for_dead_does_not_come_back_in_pieces(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_still(seconds: float) -> None:
        if seconds:
            silence(store, conversation.id + 1)
            Store.open(store.url).close()

    monkeypatch.setattr("assistant.store.imports.time.sleep", stand_still)
    with pytest.raises(StorageError, match="import it again"):
        store.import_conversation(NewConversation(1, chain(2_500)))
    assert_nothing_is_seen(store, conversation)
    assert stored(store) == 0


def test_times_are_kept_or_taken_from_the_messages(store: Store, pirate: PersonaVersion) -> None:
    rows = [NewMessage("user", "a", created_at=2_000), NewMessage("user", "b", created_at=1_000)]
    before = int(time.time() * 1000)
    found = store.conversation(store.import_conversation(NewConversation(pirate.id, rows)))
    assert found.created_at >= before
    assert found.updated_at == 2_000
    kept = NewConversation(pirate.id, rows, created_at=5, updated_at=6)
    found = store.conversation(store.import_conversation(kept))
    assert (found.created_at, found.updated_at) == (5, 6)
