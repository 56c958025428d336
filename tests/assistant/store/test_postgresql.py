"""The store on a PostgreSQL server, which `ASSISTANT_TEST_POSTGRES` names."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant.personas.persona import Persona
from assistant.store import imports
from assistant.store.check import check
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import Feedback, GrowingReply, NewConversation, NewMessage
from assistant.store.store import Store
from assistant.store.upgrade import downgrade
from tests.assistant.store.saying import judge, say


@pytest.fixture
def server(postgres: str) -> Iterator[Store]:
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: Store.open(postgres), range(4)))
    for store in opened[1:]:
        store.close()
    yield opened[0]
    opened[0].close()


def test_a_conversation_is_imported_whole_or_not_at_all(server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PART_ROWS", 2)
    persona = server.save_persona(Persona(name="pirate", title="Pirate", instruction="Arr.")).id
    rows = [NewMessage("user", "x", after=place - 1 if place else None) for place in range(5)]
    praise = [Feedback(0, 4, 1, "good \0", 7)]
    id = server.import_conversation(NewConversation(persona, rows, active=4, tags=["a"], feedback=praise))
    assert len(server.branch(server.all_messages(id)[-1].id)) == 5
    assert [kept.comment for kept in server.reviews(id)[1]] == ["good �"]
    with pytest.raises(StorageError):
        server.import_conversation(NewConversation(persona, [*rows, NewMessage("user", "x", after=9)]))
    assert server.counts().messages == 5
    server.delete(id)
    assert server.list_conversations() == []


def test_a_conversation_is_kept_searched_and_deleted(server: Store) -> None:
    persona = server.save_persona(Persona(name="pirate", title="Pirate", instruction="Arr."))
    assert server.save_persona(persona.persona) == persona
    conversation = server.create_conversation(persona.id, title="At sea")
    question = say(server, conversation.id, None, "héllo \0 \ud800 50%")
    reply = server.start_reply(
        conversation.id, question.id, model="m", engine="e", params={"seed": 1}, persona_version_id=persona.id
    )
    server.grow_replies({reply.id: GrowingReply("a")})
    reply = server.finish_reply(reply.id, "ahoy", status="complete", ttft_ms=3)
    assert server.branch(reply.id) == [question, reply]
    assert server.leaf_below(question.id) == reply
    assert server.leaves(conversation.id) == [reply]
    assert [hit.message_id for hit in server.search("HÉL 50%")] == [question.id]
    assert server.search("5_%") == []
    server.add_tag(conversation.id, "sea")
    assert [found.messages for found in server.list_conversations(tag="sea", persona="pirate")] == [2]
    assert server.stats(conversation.id).ttft_ms == 3
    judge(server, reply.id, score=0.5)
    server.add_feedback(reply.id, 1)
    ids = server.add_messages(conversation.id, [NewMessage("user", "a", parent_id=reply.id), NewMessage("user", "b")])
    assert server.children(conversation.id, None)[-1].id == ids[1]
    assert check(server.url) == []
    server.delete(conversation.id)
    assert server.counts().messages == 0
    with pytest.raises(NotFoundError):
        server.message(reply.id)


def test_writers_at_once_lose_nothing(server: Store) -> None:
    personas = [Persona(name="sage", title="Sage", instruction=f"Be wise in {number} ways.") for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        versions = list(threads.map(server.save_persona, personas))
        assert sorted(version.version for version in versions) == [1, 2, 3, 4, 5, 6]
        conversation = server.create_conversation(versions[0].id).id
        root = say(server, conversation, None, "question").id
        list(threads.map(lambda number: say(server, conversation, root, f"from {number}"), range(6)))
        list(threads.map(lambda _: server.add_tag(conversation, "sea"), range(6)))
    assert len(server.children(conversation, root)) == 6
    assert server.conversation(conversation).messages == 7
    assert server.tags(conversation) == ["sea"]


def test_messages_survive_the_way_down_and_up(server: Store) -> None:
    persona = server.save_persona(Persona(name="pirate", title="Pirate", instruction="Arr."))
    message = say(server, server.create_conversation(persona.id).id, None, "ahoy")
    downgrade(server.url, "0001")
    with Store.open(server.url) as upgraded:
        assert upgraded.message(message.id) == message
        assert check(upgraded.url) == []
