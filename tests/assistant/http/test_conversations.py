"""The product's own API on stored conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.assistant.http.running import Running
from tests.scripted_engine import ScriptedEngine


@pytest.fixture
def talk(running: Running, engine: ScriptedEngine) -> int:
    """A conversation with two turns."""
    engine.queue("Arr, the sea be blue.", "Arr, salt.")
    id = running.post("/api/conversations", {"persona": "pirate"}).json()["id"]
    for text in ("What colour is the sea?", "Why is it salty?"):
        assert running.post(f"/api/conversations/{id}/messages", {"text": text, "stream": False}).status_code == 200
    return int(id)


def test_a_conversation_is_listed_with_its_whole_tree(running: Running, engine: ScriptedEngine, talk: int) -> None:
    listed = running.client.get("/api/conversations").json()
    assert [(one["id"], one["persona"], one["messages"]) for one in listed] == [(talk, "pirate", 4)]
    engine.queue("Arr, fish.")
    answer = running.post("/api/messages/1/edit", {"text": "What lives in the sea?", "stream": False}).json()
    assert (answer["content"], answer["status"]) == ("Arr, fish.", "complete")
    tree = running.client.get(f"/api/conversations/{talk}").json()
    parents = {message["id"]: message["parent_id"] for message in tree["messages"]}
    assert parents == {1: None, 2: 1, 3: 2, 4: 3, 5: None, 6: 5}
    assert tree["conversation"]["active_leaf_id"] == 6


def test_a_message_names_what_it_follows(running: Running, engine: ScriptedEngine, talk: int) -> None:
    engine.queue("Arr, deep.", "Arr, anew.")
    where = f"/api/conversations/{talk}/messages"
    beside = running.post(where, {"text": "How deep?", "parent_id": 2, "stream": False}).json()
    assert [m.content for m in running.store.branch(beside["id"])][-2:] == ["How deep?", "Arr, deep."]
    anew = running.post(where, {"text": "Hello again", "parent_id": None, "stream": False}).json()
    assert len(running.store.branch(anew["id"])) == 2
    assert running.post(where, {"text": "x", "parent_id": 99}).status_code == 404


def test_marks_tags_names_and_the_trash(running: Running, talk: int) -> None:
    client, where = running.client, f"/api/conversations/{talk}"
    changes: dict[str, Any] = {"title": "At sea", "pinned": True, "tags": ["Water", "ships"], "persona": "chef"}
    changed = client.patch(where, json=changes).json()
    assert (changed["title"], changed["pinned"]) == ("At sea", True)
    assert [one["tags"] for one in client.get("/api/conversations?tag=water&persona=chef").json()] == [
        ["ships", "water"]
    ]
    assert client.patch(where, json={"tags": []}).status_code == 200
    assert client.get("/api/conversations?tag=water").json() == []
    assert client.patch(where, json={"active_leaf_id": 2}).json()["active_leaf_id"] == 2
    assert client.patch(where, json={"archived": True}).json()["archived"]
    assert len(client.get("/api/conversations?archived=true").json()) == 1
    assert client.delete(where).status_code == 204
    assert len(client.get("/api/conversations?trashed=true").json()) == 1
    assert client.patch(where, json={"trashed": False, "archived": False}).status_code == 200
    assert len(client.get("/api/conversations").json()) == 1
    assert client.delete(f"{where}?forever=true").status_code == 204
    assert client.get(where).status_code == 404
    assert client.delete(f"{where}?forever=true").json()["error"]["code"] == "not_found"


def test_search_export_and_feedback(running: Running, talk: int) -> None:
    client = running.client
    (hit,) = client.get("/api/search", params={"q": "salty"}).json()
    assert (hit["conversation_id"], hit["role"]) == (talk, "user")
    assert client.get("/api/search", params={"q": "salty", "conversation_id": 99}).json() == []
    whole = client.get(f"/api/conversations/{talk}/export").json()
    assert [message["content"] for message in whole["messages"]][1] == "Arr, the sea be blue."
    assert "Arr, salt." in client.get(f"/api/conversations/{talk}/export?format=markdown").text
    assert client.get(f"/api/conversations/{talk}/export?format=sharegpt").json()["conversations"][1]["from"] == "human"
    rated = running.post("/api/messages/2/feedback", {"rating": 1, "comment": "good"})
    assert (rated.status_code, rated.json()["comment"]) == (201, "good")
    assert running.post("/api/messages/2/feedback", {"rating": 3}).status_code == 400
    seen = client.get("/api/messages/2").json()
    assert [given["rating"] for given in seen["feedback"]] == [1]
    assert seen["message"]["content"] == "Arr, the sea be blue."


def test_conversations_begin_with_a_persona_an_instruction_or_the_default(running: Running) -> None:
    assert {"pirate", "professor"} <= {one["name"] for one in running.client.get("/api/personas").json()}
    for body, persona in (
        ({}, "professor"),
        ({"persona": "pirate"}, "pirate"),
        ({"instruction": "Be brief."}, "custom"),
    ):
        made = running.post("/api/conversations", body)
        assert made.status_code == 201
        assert running.store.persona_version(made.json()["persona_version_id"]).name == persona
    for wrong in ({"persona": "pirate", "instruction": "x"}, {"instruction": " "}, {"colour": "blue"}):
        assert running.post("/api/conversations", wrong).status_code == 400
    assert running.post("/api/conversations", {"persona": "nobody"}).status_code == 404


def test_sampling_of_one_message(running: Running, engine: ScriptedEngine, talk: int) -> None:
    engine.queue("one two three")
    said = {"text": "Count.", "stream": False, "temperature": 0, "max_tokens": 2, "stop": ["x"], "seed": 5}
    answer = running.post(f"/api/conversations/{talk}/messages", said).json()
    assert (answer["finish_reason"], answer["params"]["seed"]) == ("length", 5)
    assert engine.samplings[-1].temperature == 0
