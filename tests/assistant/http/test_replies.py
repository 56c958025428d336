"""Replies outlive the connections that asked for them."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from assistant.store.records import GrowingReply
from tests.assistant.http.judges import word_guard
from tests.assistant.http.running import PATIENCE, Running, events_of, said, serving
from tests.scripted_engine import Reply, ScriptedEngine

WORDS = " ".join(f"word{n}" for n in range(30))


def begin(running: Running) -> str:
    return f"/api/conversations/{running.post('/api/conversations', {'persona': 'pirate'}).json()['id']}"


def ended(running: Running, reply_id: int) -> str:
    """The reply's status once it has one."""
    deadline = time.monotonic() + PATIENCE
    while (status := running.store.message(reply_id).status) == "streaming":
        assert time.monotonic() < deadline, "the reply does not end"
        time.sleep(0.02)
    return status


def test_events_are_typed_numbered_and_end_with_the_reply(running: Running, engine: ScriptedEngine) -> None:
    engine.queue("Arr, hello there!")
    with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        found = list(events_of(response))
    assert [sent.id for sent in found] == list(range(1, len(found) + 1))
    assert found[0].event == "started"
    assert found[0].data["reply_id"] == 2
    assert found[-1].event == "finished"
    assert found[-1].data["status"] == "complete"
    assert said(found) == "Arr, hello there!"


def test_a_client_that_leaves_and_comes_back_reads_on_where_it_was(running: Running, engine: ScriptedEngine) -> None:
    engine.queue(Reply(WORDS, delay=0.02))
    with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
        stream = events_of(response)
        before = [next(stream) for _ in range(6)]
    last = before[-1].id
    for resumed in ({"params": {"after": last}}, {"headers": {"last-event-id": str(last)}}):
        with running.client.stream("GET", "/api/replies/2/events", **resumed) as response:
            after = list(events_of(response))
        assert said([*before, *after]) == WORDS
        assert last is not None
        if after[0].event != "snapshot":
            assert after[0].id == last + 1
    assert running.store.message(2).content == WORDS


def test_a_reply_that_ended_is_read_from_the_store(running: Running, engine: ScriptedEngine) -> None:
    engine.queue("Done.", Reply("Half", fail_after=1))
    where = begin(running)
    running.post(f"{where}/messages", {"text": "hi", "stream": False})
    running.post(f"{where}/messages", {"text": "hi", "stream": False})
    with running.client.stream("GET", "/api/replies/2/events?after=3") as response:
        found = list(events_of(response))
    assert [sent.event for sent in found] == ["snapshot", "finished"]
    assert said(found) == "Done."
    with running.client.stream("GET", "/api/replies/4/events") as response:
        failed = list(events_of(response))[-1]
    assert failed.event == "failed"
    assert "failed as told" in failed.data["error"]
    assert running.client.get("/api/replies/1/events").status_code == 404
    assert running.client.get("/api/replies/99/events").status_code == 404


def test_a_reply_is_followed_and_stopped_from_another_worker(shared: str) -> None:
    engine = ScriptedEngine([Reply(WORDS, delay=0.1)])
    with serving(shared, engine) as one, serving(shared, ScriptedEngine()) as other:
        with one.client.stream("POST", f"{begin(one)}/messages", json={"text": "hi"}) as response:
            next(events_of(response))
        with other.client.stream("GET", "/api/replies/2/events?after=1") as response:
            found = []
            for sent in events_of(response):
                found.append(sent)
                if sent.event == "text" and "word3" in said(found) and found[-1].event == "text":
                    assert other.client.post("/api/replies/2/stop").status_code == 202
        assert found[0].event == "snapshot"
        assert found[-1].data["status"] == "stopped"
        text = one.store.message(2).content
        assert said(found) == text
        assert text.startswith("word0")
        assert text != WORDS


def test_a_stopped_reply_keeps_what_came(running: Running, engine: ScriptedEngine) -> None:
    engine.queue(Reply(WORDS, delay=0.02))
    with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
        found = []
        for sent in events_of(response):
            found.append(sent)
            if sent.event == "text" and len(found) == 6:
                assert running.client.post("/api/replies/2/stop").json() == {"asked": True}
    assert found[-1].data["status"] == "stopped"
    assert running.store.message(2).content == said(found)
    assert running.client.post("/api/replies/2/stop").status_code == 202
    assert running.client.post("/api/replies/1/stop").status_code == 404


def test_a_retry_is_a_sibling(running: Running, engine: ScriptedEngine) -> None:
    engine.queue("One.", "Two.", "Three.")
    where = begin(running)
    running.post(f"{where}/messages", {"text": "hi", "stream": False})
    assert running.post(f"{where}/retry", {"stream": False}).json()["content"] == "Two."
    assert running.post(f"{where}/retry", {"reply_id": 2, "stream": False}).json()["content"] == "Three."
    assert [message.id for message in running.store.siblings(2)] == [2, 3, 4]
    assert running.post(f"{where}/retry", {"reply_id": 99}).status_code == 404


def test_a_request_that_is_sent_again_says_nothing_twice(shared: str) -> None:
    """Also where the second one reaches another worker, or both come at once."""
    engine = ScriptedEngine([Reply("Only once.", delay=0.05), "Another."])
    with serving(shared, engine) as one, serving(shared, ScriptedEngine()) as other:
        where, key = f"{begin(one)}/messages", {"idempotency-key": "request-1"}
        answers: list[httpx.Response] = []

        def send(running: Running) -> None:
            answers.append(running.post(where, {"text": "hi", "stream": False}, headers=key))

        send(one)
        threads = [threading.Thread(target=send, args=(running,)) for running in (one, other, one)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [answer.status_code for answer in answers] == [200] * 4
        assert [answer.json()["content"] for answer in answers] == ["Only once."] * 4
        assert len(one.store.all_messages(1)) == 2
        with other.client.stream("POST", where, json={"text": "hi"}, headers=key) as response:
            assert said(events_of(response)) == "Only once."
        assert one.post(where, {"text": "hi", "stream": False}, headers={"idempotency-key": "2"}).json()["id"] == 4
        assert one.post(where, {"text": "hi"}, headers={"idempotency-key": "x" * 201}).status_code == 400


def test_writers_at_two_workers_lose_and_double_nothing(shared: str) -> None:
    texts = [f"message {n}" for n in range(24)]
    with (
        serving(shared, ScriptedEngine(f"answer {n}" for n in range(24))) as one,
        serving(shared, ScriptedEngine(f"answer {n}" for n in range(24))) as other,
    ):
        where = f"{begin(one)}/messages"

        def send(running: Running, mine: list[str]) -> None:
            for text in mine:
                assert running.post(where, {"text": text, "stream": False}).status_code == 200

        threads = [
            threading.Thread(target=send, args=(running, texts[start::4]))
            for start, running in enumerate((one, other, one, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        messages = one.store.all_messages(1)
        assert sorted(m.content for m in messages if m.role == "user") == sorted(texts)
        replies = [m for m in messages if m.role == "assistant"]
        assert [m.status for m in replies] == ["complete"] * 24
        assert len({m.parent_id for m in replies}) == 24


def test_a_blocked_reply_is_shown_as_a_refusal(db: str) -> None:
    with serving(db, ScriptedEngine(["Take a bomb and run"]), guard=word_guard()) as running:
        with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
            found = list(events_of(response))
        assert "blocked" in [sent.event for sent in found]
        assert "bomb" not in said(found)
        assert said(found) == running.store.message(2).content
        verdicts = running.client.get("/api/messages/2").json()["verdicts"]
        assert [verdict["decision"] for verdict in verdicts][-1] == "block"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_what_nobody_stores(running: Running, engine: ScriptedEngine, stream: bool) -> None:
    engine.queue(Reply(WORDS, delay=0.2))
    body = {"model": "pirate", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    with (
        pytest.raises(httpx.ReadTimeout),
        running.client.stream(
            "POST", "/v1/chat/completions", json=body, timeout=httpx.Timeout(PATIENCE, read=0.15)
        ) as response,
    ):
        for _ in response.iter_lines():
            pass
    deadline = time.monotonic() + 4
    while engine.running or running.service.turns:
        assert time.monotonic() < deadline, "the engine still works for nobody"
        time.sleep(0.02)


def test_shutdown_lets_replies_end(db: str) -> None:
    with serving(db, ScriptedEngine([Reply(WORDS, delay=0.02)]), grace=PATIENCE) as running:
        with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
            next(events_of(response))
        running.stop()
        assert running.store.message(2).status == "complete"
        assert running.store.message(2).content == WORDS


def test_shutdown_stores_replies_that_take_too_long(db: str) -> None:
    with serving(db, ScriptedEngine([Reply(WORDS, delay=0.2)]), grace=0.3) as running:
        with running.client.stream("POST", f"{begin(running)}/messages", json={"text": "hi"}) as response:
            for sent in events_of(response):
                if sent.event == "text":
                    running.server.should_exit = True
        running.stop()
        reply = running.store.message(2)
        assert reply.status == "interrupted"
        assert reply.content.startswith("word0")


def test_the_reply_of_a_worker_that_died_ends_for_who_follows_it(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.http import app

    monkeypatch.setattr(app, "SWEEP_SECONDS", 0.1)
    with serving(shared, ScriptedEngine()) as running:
        begin(running)
        with pytest.MonkeyPatch.context() as dead:
            dead.setattr("assistant.store.replies.this_process", lambda: "elsewhere:1:gone")
            dead.setattr("assistant.store.messages.now", lambda: 1)
            dead.setattr("assistant.store.replies.now", lambda: 1)
            running.store.begin_turn(1, None, "hi", model="m", engine="e", params={}, persona_version_id=1)
            running.store.grow_replies({2: GrowingReply("Half an ans")})
        with running.client.stream("GET", "/api/replies/2/events") as response:
            found = list(events_of(response))
    assert said(found) == "Half an ans"
    assert found[-1].data["status"] == "interrupted"
