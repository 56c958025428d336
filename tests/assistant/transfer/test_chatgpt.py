from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.store.store import Store
from assistant.transfer.chatgpt import read_chatgpt
from assistant.transfer.draft import NEUTRAL, ItemError
from assistant.transfer.importing import import_file
from tests.assistant.transfer.shapes import said


def node(key: str, parent: str | None, role: str = "", content: Any = None, **message: Any) -> dict[str, Any]:
    if not role:
        return {key: {"id": key, "message": None, "parent": parent, "children": []}}
    body = content if isinstance(content, dict) else {"content_type": "text", "parts": [content]}
    said = {"author": {"role": role}, "content": body, "metadata": {}, "recipient": "all", **message}
    return {key: {"id": key, "message": said, "parent": parent, "children": []}}


CHAT: dict[str, Any] = {
    "title": "Weather & trees",
    "create_time": 1700000000.123,
    "default_model_slug": "gpt-4o",
    "is_starred": True,
    "is_archived": True,
    "current_node": "a2",
    # A mapping has no order: parents come after children here.
    "mapping": {
        **node("a2", "u2", "assistant", "Rain, and wind.", create_time=1700000009.5),
        **node("u2", "a1c", "user", "Now?", create_time=1700000008.0),
        **node("u2b", "a1c", "user", "And tomorrow?", create_time=1700000020.0),
        **node("root", None),
        **node("sys", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        **node("settings", "sys", "user", {"content_type": "user_editable_context", "user_profile": "x"}),
        **node("u1", "settings", "user", "Weather?", create_time=1700000001.25),
        **node("a1a", "u1", "assistant", "Let me look.", create_time=1700000002.0),
        **node("think", "a1a", "assistant", {"content_type": "thoughts", "thoughts": []}),
        **node("call", "think", "assistant", {"content_type": "code", "text": "search()"}, recipient="web"),
        **node("tool", "call", "tool", "results"),
        **node(
            "a1c",
            "tool",
            "assistant",
            {"content_type": "multimodal_text", "parts": ["Sun.", {"content_type": "image_asset_pointer"}, None]},
            create_time=1700000003.0,
            metadata={"model_slug": "gpt-4o"},
        ),
    },
}


def test_a_tree_with_tools_and_hidden_nodes_becomes_turns(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([CHAT]))
    (id,) = import_file(store, path).conversation_ids
    assert said(store, id) == [
        ("user", "Weather?"),
        ("assistant", "Let me look.\n\nSun.\n\n[image]"),
        ("user", "Now?"),
        ("assistant", "Rain, and wind."),
    ]
    conversation = store.conversation(id)
    assert (conversation.title, conversation.pinned, conversation.archived) == ("Weather & trees", True, True)
    messages = store.all_messages(id)
    assert [message.content for message in messages][-1] == "And tomorrow?"
    assert messages[0].created_at == 1_700_000_001_250
    assert messages[1].model == "gpt-4o"
    assert store.persona_version(conversation.persona_version_id).persona == NEUTRAL


def test_a_shown_system_message_becomes_the_persona() -> None:
    mapping = {**node("s", None, "system", "Be kind."), **node("u", "s", "user", "Hi", status="in_progress")}
    draft = read_chatgpt({"mapping": mapping}, NEUTRAL)
    assert draft.personas[0].instruction == "Be kind."
    assert draft.active == 0


def test_regenerated_answers_after_a_common_beginning_each_keep_it() -> None:
    mapping = {
        **node("u", None, "user", "Hi"),
        **node("a", "u", "assistant", "Well,"),
        **node("b", "a", "assistant", "one.", create_time=1),
        **node("c", "a", "assistant", "two.", create_time=2),
    }
    draft = read_chatgpt({"mapping": mapping, "current_node": "a"}, NEUTRAL)
    assert [(row.content, row.after) for row in draft.rows] == [
        ("Hi", None), ("Well,\n\none.", 0), ("Well,\n\ntwo.", 0)
    ]  # fmt: skip
    assert draft.active == 2


def test_a_message_that_was_joined_and_answered_stays() -> None:
    mapping = {
        **node("u", None, "user", "Hi"),
        **node("a", "u", "assistant", "One."),
        **node("v", "a", "user", "Go on"),
        **node("b", "a", "assistant", "Two."),
    }
    draft = read_chatgpt({"mapping": mapping}, NEUTRAL)
    assert [(row.content, row.after) for row in draft.rows] == [
        ("Hi", None), ("One.", 0), ("Go on", 1), ("One.\n\nTwo.", 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ([], "mapping is not an object"),
        ({}, "holds no messages"),
        (node("root", None), "holds no messages"),
        ({"a": 3}, "message a is not an object"),
        ({"a": {"parent": 3}}, "a parent that is no id"),
        (node("a", "b", "user", "x"), "answers 'b', which is missing"),
        ({**node("a", "b", "user", "x"), **node("b", "a", "user", "x")}, "comes after itself"),
        (node("a", None, "user", "x" * 4_000_001), "more than 4000000 characters"),
    ],
)
def test_a_broken_conversation_is_named_and_the_others_are_imported(
    store: Store, tmp_path: Path, mapping: Any, words: str
) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([{"title": "Bad", "mapping": mapping}, CHAT]))
    report = import_file(store, path)
    assert len(report.conversation_ids) == 1
    assert report.skipped[0].startswith("conversations.json, conversation 1 (Bad): ")
    assert words in report.skipped[0]
    assert store.counts().messages == 5


def test_odd_values_do_not_stop_it() -> None:
    odd = {"author": None, "content": {"content_type": 3, "parts": [3, {"content_type": []}]}, "create_time": "x"}
    mapping = {
        "a": {"parent": None, "message": odd},
        "b": {"parent": "a", "message": 3},
        **node("c", "b", "user", "Hi", create_time=-1, recipient=None),
        **node("d", "c", "assistant", {"content_type": "text", "text": "Yo"}, create_time=1e400, metadata=None),
    }
    draft = read_chatgpt({"title": 3, "mapping": mapping, "current_node": 7}, NEUTRAL)
    assert [row.content for row in draft.rows] == ["Hi", "Yo"]


def test_a_chain_as_long_as_the_limit_is_no_recursion() -> None:
    mapping: dict[str, Any] = {}
    for place in range(20_000):
        role = "assistant" if place % 2 else "user"
        mapping |= node(str(place), str(place - 1) if place else None, role, "x")
    assert len(read_chatgpt({"mapping": mapping}, NEUTRAL).rows) == 20_000


def test_joining_stays_within_bounds() -> None:
    mapping: dict[str, Any] = {}
    for place in range(2_000):
        mapping |= node(str(place), str(place - 1) if place else None, "user", "x" * 1_000)
    with pytest.raises(ItemError, match="of one side in a row"):
        read_chatgpt({"mapping": mapping}, NEUTRAL)


def test_a_content_type_that_is_no_text_is_no_reason_to_fail() -> None:
    odd = {"mapping": node("n", None, "user", {"content_type": [], "parts": ["Hello?"]}), "current_node": "n"}
    assert [row.content for row in read_chatgpt(odd, NEUTRAL).rows] == ["Hello?"]
