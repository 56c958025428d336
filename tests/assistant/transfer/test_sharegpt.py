from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assistant.store.records import NewMessage
from assistant.store.store import Store
from assistant.transfer.export import export_sharegpt
from assistant.transfer.importing import import_file
from tests.assistant.transfer.shapes import ADA, said, sample


def imported(store: Store, path: Path, *items: Any) -> int:
    path.write_text("\n".join(json.dumps(item) for item in items))
    report = import_file(store, path, persona=ADA)
    assert report.skipped == []
    return report.conversation_ids[0]


def test_an_export_is_one_line_of_alternating_turns(store: Store) -> None:
    assert export_sharegpt(store, sample(store)) == {
        "conversations": [
            {"from": "system", "value": "Speak as Ada Lovelace."},
            {"from": "human", "value": "What is an engine?"},
            {"from": "gpt", "value": "A machine."},
            {"from": "human", "value": "Show code"},
            {"from": "gpt", "value": "I cannot help with that."},
        ]
    }


def test_a_failed_reply_is_left_out_and_its_question_joins_the_next(store: Store) -> None:
    id = store.create_conversation(store.save_persona(ADA).id).id
    rows = [NewMessage("user", "one"), NewMessage("assistant", "", after=0, status="failed")]
    store.add_messages(id, [*rows, NewMessage("user", "two", after=1), NewMessage("assistant", "2", after=2)])
    assert export_sharegpt(store, id)["conversations"][1:] == [
        {"from": "human", "value": "one\n\ntwo"},
        {"from": "gpt", "value": "2"},
    ]


def test_an_empty_conversation_is_its_instruction(store: Store) -> None:
    id = store.create_conversation(store.save_persona(ADA).id).id
    assert export_sharegpt(store, id) == {"conversations": [{"from": "system", "value": ADA.instruction}]}


def test_an_import_gives_the_same_line_again(store: Store, tmp_path: Path) -> None:
    line = export_sharegpt(store, sample(store))
    id = imported(store, tmp_path / "a.jsonl", line, line)
    assert export_sharegpt(store, id) == line


def test_a_system_turn_becomes_the_persona_and_tools_are_left_out(store: Store, tmp_path: Path) -> None:
    turns = [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Weather?"},
        {"from": "gpt", "value": "Looking."},
        {"from": "tool", "value": "{}"},
        {"from": "gpt", "value": "Rain."},
        {"from": ["x"], "value": "?"},
        {"from": "human", "value": None},
    ]
    id = imported(store, tmp_path / "a.jsonl", {"conversations": turns})
    assert said(store, id) == [("user", "Weather?"), ("assistant", "Looking.\n\nRain.")]
    persona = store.persona_version(store.conversation(id).persona_version_id).persona
    assert (persona.name, persona.instruction) == ("imported", "Be brief.")


def test_chat_messages_and_bare_lists_are_read_with_the_given_persona(store: Store, tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "image_url"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "Hello"}]
    for item in ({"messages": messages, "title": "T"}, messages):
        id = imported(store, tmp_path / "a.json", item)
        assert said(store, id) == [("user", "Hi"), ("assistant", "Hello")]
        assert store.persona_version(store.conversation(id).persona_version_id).persona == ADA


def test_a_long_instruction_is_cut_and_reported(store: Store, tmp_path: Path) -> None:
    turns = [{"from": "system", "value": "x" * 20_001}, {"from": "human", "value": "Hi"}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"conversations": turns}))
    report = import_file(store, tmp_path / "a.jsonl")
    assert len(report.conversation_ids) == 1
    assert report.skipped == ["a.jsonl, conversation 1: its instruction was cut to 20000 characters"]
