from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from assistant.store import owner
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import Conversation, GrowingReply, PersonaVersion, StoredMessage
from assistant.store.reviews import add_judgement
from assistant.store.schema import MessageRow
from assistant.store.store import Store
from guardrails.gate import Withheld
from guardrails.judge import Verdict
from tests.assistant.store.saying import begin, say

ROOT = Path(__file__).parents[3]

WRITER = """
import sys
from assistant.store.records import GrowingReply
from assistant.store.store import Store
from tests.assistant.store.saying import say
store = Store.open(sys.argv[1])
reply = store.begin_turn(1, None, "question", model="m", engine="e", params={}, persona_version_id=1)[1]
store.grow_replies({reply.id: GrowingReply("half an ans")})
print(reply.id, flush=True)
sys.stdin.read()
"""


def start(store: Store, conversation: Conversation) -> StoredMessage:
    question = say(store, conversation.id, None, "question")
    return begin(store, question, "llama")


def sign(store: Store, reply: StoredMessage, name: str, updated_at: int | None = None) -> None:
    values: dict[str, object] = {"owner": name}
    if updated_at is not None:
        values["updated_at"] = updated_at
    with store._engine.begin() as connection:
        connection.execute(update(MessageRow).where(MessageRow.id == reply.id).values(**values))


def status_after_opening(store: Store, reply: StoredMessage) -> str:
    with Store.open(store.url) as other:
        return other.message(reply.id).status


def test_a_reply_is_stored_from_its_start_to_its_end(store: Store, conversation: Conversation) -> None:
    reply = start(store, conversation)
    assert (reply.status, reply.content, reply.model, reply.params) == ("streaming", "", "llama", {"seed": 1})
    assert (reply.prompt_tokens, reply.dropped_turns) == (0, 0)
    assert store.conversation(conversation.id).active_leaf_id == reply.id
    store.grow_replies({reply.id: GrowingReply("so \ud800far", prompt_tokens=7, dropped_turns=3)})
    growing = store.message(reply.id)
    assert (growing.content, growing.status) == ("so �far", "streaming")
    assert (growing.prompt_tokens, growing.dropped_turns) == (7, 3)
    assert store.search("far")[0].message_id == reply.id
    finished = store.finish_reply(
        reply.id,
        "so far so good",
        status="complete",
        finish_reason="stop",
        prompt_tokens=8,
        dropped_turns=2,
        completion_tokens=4,
        cached_tokens=20,
        ttft_ms=5,
        duration_ms=50,
    )
    assert store.message(reply.id) == finished
    assert (finished.status, finished.content, finished.finish_reason) == ("complete", "so far so good", "stop")
    assert (finished.prompt_tokens, finished.dropped_turns) == (8, 2)
    assert (finished.completion_tokens, finished.cached_tokens) == (4, 20)
    assert (finished.ttft_ms, finished.duration_ms) == (5, 50)
    assert store.conversation(conversation.id).updated_at == finished.updated_at


def test_a_turn_begins_with_its_message_and_its_reply(store: Store, conversation: Conversation) -> None:
    first = store.begin_turn(
        conversation.id,
        None,
        "one \ud800",
        model="m",
        engine="e",
        params={},
        persona_version_id=conversation.persona_version_id,
    )
    asked, reply = store.begin_turn(
        conversation.id,
        first[1].id,
        "two",
        model="llama",
        engine="e",
        params={"seed": 1},
        persona_version_id=conversation.persona_version_id,
    )
    assert store.branch(reply.id) == [*first, asked, reply]
    assert (first[0].content, first[0].parent_id, first[0].status) == ("one �", None, "complete")
    assert (asked.role, asked.content, asked.parent_id) == ("user", "two", first[1].id)
    assert (reply.role, reply.content, reply.status, reply.model) == ("assistant", "", "streaming", "llama")
    assert (reply.params, reply.persona_version_id) == ({"seed": 1}, conversation.persona_version_id)
    kept = store.conversation(conversation.id)
    assert (kept.active_leaf_id, kept.messages) == (reply.id, 4)
    assert status_after_opening(store, reply) == "streaming"


def test_a_turn_names_a_conversation_that_has_no_name(store: Store, pirate: PersonaVersion) -> None:
    made, named, lost = (store.create_conversation(pirate.id, title=title).id for title in ("", "At sea", ""))

    def begin(conversation: int, text: str, persona: int = pirate.id) -> None:
        store.begin_turn(conversation, None, text, model="m", engine="e", params={}, persona_version_id=persona)

    for conversation in (made, named):
        begin(conversation, "What is\n the sea?")
        begin(conversation, "and then?")
    with pytest.raises(StorageError):
        begin(lost, "lost?", 99)
    assert [store.conversation(id).title for id in (made, named, lost)] == ["What is the sea?", "At sea", ""]


def test_a_turn_whose_reply_cannot_be_stored_leaves_no_message(store: Store, conversation: Conversation) -> None:
    with pytest.raises(StorageError):
        store.begin_turn(conversation.id, None, "lost?", model="m", engine="e", params={}, persona_version_id=99)
    with pytest.raises(NotFoundError):
        store.begin_turn(conversation.id, 99, "lost?", model="m", engine="e", params={}, persona_version_id=1)
    kept = store.conversation(conversation.id)
    assert (store.all_messages(conversation.id), kept.messages, kept.active_leaf_id) == ([], 0, None)


def test_a_turn_says_what_model_a_conversation_has(store: Store, conversation: Conversation) -> None:
    persona = conversation.persona_version_id
    _, reply = store.begin_turn(
        conversation.id, None, "hi", model="one", engine="a", params={}, persona_version_id=persona
    )
    first = store.conversation(conversation.id)
    assert (first.model, first.engine, first.title) == ("one", "a", "At sea")
    assert (first.messages, first.active_leaf_id) == (2, reply.id)
    again = store.start_reply(
        conversation.id, reply.parent_id or 0, model="two", engine="b", params={}, persona_version_id=persona
    )
    second = store.conversation(conversation.id)
    assert (second.model, second.engine, second.title) == ("two", "b", "At sea")
    assert (second.messages, second.active_leaf_id) == (3, again.id)


@pytest.mark.parametrize("end", ["complete", "stopped", "interrupted", "blocked", "failed"])
def test_a_reply_is_finished_once(store: Store, conversation: Conversation, end: str) -> None:
    reply = start(store, conversation)
    store.finish_reply(reply.id, "a", status=end, error="why")  # type: ignore[arg-type]
    with pytest.raises(StorageError, match=f"already {end}"):
        store.finish_reply(reply.id, "b", status="complete")
    assert f"already {end}" in str(store.grow_replies({reply.id: GrowingReply("b")})[reply.id])
    assert store.message(reply.id).content == "a"


def test_a_reply_ends_with_what_the_guard_said_or_not_at_all(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = start(store, conversation)
    verdicts = [
        Verdict("rules", "1", True, "prompt", latency_ms=1.5),
        Verdict("reward", "2", False, "final", 0.25, 0.5, "unsafe \ud800"),
        Verdict("reward", "2", False, "final", float("nan")),
    ]
    held = [Withheld(verdicts[1], "the \0 words", 3), Withheld(verdicts[2], "", 0)]

    def finish() -> StoredMessage:
        return store.finish_reply(
            reply.id, "No.", status="blocked", verdicts=verdicts, withheld=held, policy_hash="abc"
        )

    def fail(*judgement: Any) -> None:
        add_judgement(*judgement)
        raise StorageError("locked")

    with monkeypatch.context() as patched:
        patched.setattr("assistant.store.replies.add_judgement", fail)
        with pytest.raises(StorageError, match="locked"):
            finish()
    assert (store.message(reply.id).status, store.verdicts(reply.id)) == ("streaming", [])
    assert finish().status == "blocked"
    stored = store.verdicts(reply.id)
    assert [(v.judge, v.stage, v.decision, v.score, v.threshold) for v in stored] == [
        ("rules", "prompt", "pass", None, None),
        ("reward", "final", "block", 0.25, 0.5),
        ("reward", "final", "block", None, None),
    ]
    assert (stored[0].latency_ms, stored[1].reason, stored[1].policy_hash) == (1.5, "unsafe �", "abc")
    assert store.withheld(reply.id) == ["the � words"]


def test_a_reply_that_does_not_exist_cannot_grow(store: Store) -> None:
    assert isinstance(store.grow_replies({99: GrowingReply("x")})[99], NotFoundError)


def test_replies_grow_together_and_one_that_cannot_keeps_none_back(store: Store, conversation: Conversation) -> None:
    first, second = (start(store, conversation) for _ in range(2))
    store.finish_reply(first.id, "all", status="complete")
    found = store.grow_replies(
        {99: GrowingReply("x"), second.id: GrowingReply("so far"), first.id: GrowingReply("again")}
    )
    assert found[second.id] is False
    assert isinstance(found[99], NotFoundError)
    assert "already complete" in str(found[first.id])
    assert [store.message(id).content for id in (first.id, second.id)] == ["all", "so far"]


def test_a_killed_writer_leaves_an_interrupted_reply_and_a_living_one_is_let_alone(
    store: Store, conversation: Conversation
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with child:
        assert child.stdout is not None
        reply = store.message(int(child.stdout.readline()))
        assert status_after_opening(store, reply) == "streaming"
        child.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        # Not collected yet: the process still has an entry in the process table.
        while status_after_opening(store, reply) == "streaming" and time.monotonic() < deadline:
            time.sleep(0.02)
        kept = store.message(reply.id)
    assert (kept.status, kept.content) == ("interrupted", "half an ans")
    assert store.conversation(conversation.id).active_leaf_id == reply.id


def test_this_process_does_not_interrupt_its_own_replies(store: Store, conversation: Conversation) -> None:
    reply = start(store, conversation)
    assert status_after_opening(store, reply) == "streaming"


def test_a_process_id_that_is_used_again_is_not_taken_for_the_writer(store: Store, conversation: Conversation) -> None:
    reply = start(store, conversation)
    host, pid, _ = owner.this_process().rsplit(":", 2)
    sign(store, reply, f"{host}:{pid}:another-start")
    assert status_after_opening(store, reply) == "interrupted"


@pytest.mark.parametrize(("silence_ms", "status"), [(1_000, "streaming"), (120_000, "interrupted")])
def test_a_writer_on_another_host_is_dead_after_a_minute_of_silence(
    store: Store, conversation: Conversation, silence_ms: int, status: str
) -> None:
    reply = start(store, conversation)
    sign(store, reply, "elsewhere:1:1", int(time.time() * 1000) - silence_ms)
    assert status_after_opening(store, reply) == status


@pytest.mark.parametrize("name", [None, "", "nonsense", "a:b:c"])
def test_a_reply_without_a_readable_owner_has_no_writer(name: str | None) -> None:
    assert not owner.is_alive(name, int(time.time() * 1000))


def test_without_proc_a_process_is_asked_by_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_BOOT_ID", Path("/nonexistent"))
    host = owner.this_process().rsplit(":", 2)[0]
    assert owner.is_alive(f"{host}:{os.getppid()}:unknown", 0)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not owner.is_alive(f"{host}:{child.pid}:unknown", 0)


def test_a_writer_that_was_taken_for_dead_may_come_back(store: Store, conversation: Conversation) -> None:
    reply = start(store, conversation)
    sign(store, reply, "elsewhere:1:1", 0)
    assert status_after_opening(store, reply) == "interrupted"
    store.grow_replies({reply.id: GrowingReply("still here")})
    assert store.message(reply.id).status == "streaming"
    sign(store, reply, "elsewhere:1:1", 0)
    assert status_after_opening(store, reply) == "interrupted"
    assert store.finish_reply(reply.id, "done", status="complete").status == "complete"


def test_a_reply_renewed_while_it_is_looked_at_is_let_alone(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = start(store, conversation)

    def dead_but_renewed(_name: str | None, _updated_at: int) -> bool:
        sign(store, reply, "elsewhere:1:1", int(time.time() * 1000) + 5)
        return False

    monkeypatch.setattr("assistant.store.replies.is_alive", dead_but_renewed)
    assert store.interrupt_dead() == []
    assert store.message(reply.id).status == "streaming"
