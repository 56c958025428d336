from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.store.store import Store
from assistant.transfer.draft import NEUTRAL, ItemError
from assistant.transfer.importing import import_file
from assistant.transfer.openwebui import read_openwebui
from tests.assistant.transfer.shapes import said


def message(key: str, parent: str | None, role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {key: {"id": key, "parentId": parent, "role": role, "content": content, "timestamp": 1700000000, **more}}


ITEM: dict[str, Any] = {
    "id": "x",
    "title": "Outer",
    "chat": {
        "title": "Loaves",
        "models": ["llama3"],
        "params": {"system": "Be a baker."},
        "history": {
            "currentId": "a1",
            "messages": {
                **message("u1", None, "user", "How?"),
                **message("a1", "u1", "assistant", "Knead.", model="llama3", done=True),
                **message("a2", "u1", "assistant", "Wait.", model="llama3", done=False),
                **message("a3", "u1", "assistant", "Half", error={"content": "boom"}),
            },
        },
    },
    "meta": {"tags": ["Food", {"name": "home"}, 3]},
    "pinned": True,
    "archived": False,
    "created_at": 1700000000,
}


def test_history_branches_tags_and_pin_are_kept(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "chats.json"
    path.write_text(json.dumps([ITEM]))
    (id,) = import_file(store, path).conversation_ids
    assert said(store, id) == [("user", "How?"), ("assistant", "Knead.")]
    conversation = store.conversation(id)
    assert (conversation.title, conversation.model, conversation.pinned) == ("Loaves", "llama3", True)
    assert store.tags(id) == ["food", "home"]
    assert store.persona_version(conversation.persona_version_id).persona.instruction == "Be a baker."
    messages = store.all_messages(id)
    assert [(m.content, m.status, m.error) for m in messages[1:]] == [
        ("Knead.", "complete", None), ("Wait.", "interrupted", None), ("Half", "failed", "boom")
    ]  # fmt: skip
    assert {m.created_at for m in messages} == {1_700_000_000_000}


def test_old_chats_without_branches_are_a_chain() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"text": "Yo"}, 3]}]
    draft = read_openwebui({"title": "T", "chat": {"messages": messages}}, NEUTRAL)
    assert [(row.content, row.after) for row in draft.rows] == [("Hi", None), ("Yo", 0)]
    assert (draft.title, draft.active) == ("T", 1)


def test_a_chatgpt_conversation_inside_is_read(store: Store, tmp_path: Path) -> None:
    said = {"author": {"role": "user"}, "content": {"parts": ["Hi"]}}
    chat = {"mapping": {"a": {"parent": None, "message": said}}}
    (tmp_path / "a.json").write_text(json.dumps([{"chat": chat}]))
    assert len(import_file(store, tmp_path / "a.json").conversation_ids) == 1


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        ({}, "neither history nor messages"),
        ({"messages": [3]}, "message 0 is not an object"),
        ({"messages": []}, "holds no messages"),
        ({"history": {"messages": {"a": 3}}}, "message a is not an object"),
        ({"history": {"messages": message("a", "zz", "user", "x")}}, "answers 'zz', which is missing"),
        ({"history": {"messages": message("a", "a", "user", "x")}}, "comes after itself"),
        ({"history": {"messages": {"a": {"parentId": 3}}}}, "a parent that is no id"),
    ],
)
def test_a_broken_chat_is_named(chat: dict[str, Any], words: str) -> None:
    with pytest.raises(ItemError, match=words):
        read_openwebui({"chat": chat}, NEUTRAL)
