from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from assistant.store.records import NewMessage
from assistant.store.store import Store
from assistant.transfer.draft import ItemError
from assistant.transfer.export import export_json
from assistant.transfer.importing import import_file
from assistant.transfer.markdown import export_markdown, read_markdown
from tests.assistant.transfer.shapes import ADA, BOB, said, sample, trees


def test_it_reads_as_a_conversation(store: Store) -> None:
    text = export_markdown(store, sample(store))
    shown = "\n".join(line for line in text.split("\n") if not line.startswith("<!-- "))
    shown = re.sub(r"(?!2023)\d{4}-\d\d-\d\d \d\d:\d\d", "TODAY", shown)
    assert shown == (
        "# Engines & &lt;b>\n\n*Ada (ada, version 2)*\n\n*1 other branch is only in the JSON export.*\n\n"
        "### You, 2023-11-14 22:13 UTC\n\nWhat is an engine?\n\n"
        "### Ada, TODAY UTC\n\nA machine.\n\n"
        "### You, TODAY UTC\n\nShow code\n\n"
        "### Ada (blocked), TODAY UTC\n\nI cannot help with that.\n\n"
    )


def test_the_active_branch_comes_back_with_its_marks_and_personas(store: Store, tmp_path: Path) -> None:
    original = sample(store)
    path = tmp_path / "a.md"
    path.write_bytes(export_markdown(store, original).encode())
    (copy,) = import_file(store, path).conversation_ids
    assert said(store, copy) == said(store, original)
    first, second = export_json(store, original), export_json(store, copy)
    own = ("messages", "active_leaf")
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}
    rest = [{k: v for k, v in m.items() if k not in ("id", "parent")} for m in first["messages"][:4]]
    assert [{k: v for k, v in m.items() if k not in ("id", "parent")} for m in second["messages"]] == rest


def test_the_head_says_how_many_branches_are_not_in_it(store: Store) -> None:
    id = store.create_conversation(store.save_persona(ADA).id).id
    a, b, _ = store.add_messages(
        id, [NewMessage("user", "a"), NewMessage("assistant", "b", after=0), NewMessage("user", "c", after=1)]
    )
    assert "JSON export" not in export_markdown(store, id)
    store.add_messages(id, [NewMessage("user", "d", parent_id=b), NewMessage("user", "e", parent_id=a)])
    assert "\n\n*2 other branches are only in the JSON export.*\n\n" in export_markdown(store, id)
    # What was said below the active leaf is not in the file either.
    store.set_active_leaf(id, b)
    text = export_markdown(store, id)
    assert "*3 other branches are" in text
    assert [row.content for row in read_markdown(text).rows] == ["a", "b"]


@given(rows=trees())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_branch_comes_back_character_for_character(store: Store, rows: list[NewMessage]) -> None:
    versions = [store.save_persona(ADA).id, store.save_persona(BOB).id]
    original = store.create_conversation(versions[1]).id
    chain = [
        NewMessage(row.role, row.content, after=place - 1 if place else None, created_at=row.created_at)
        for place, row in enumerate(rows)
    ]
    store.add_messages(original, chain)
    draft = read_markdown(export_markdown(store, original))
    assert [(row.role, row.content, row.after) for row in draft.rows] == [
        (row.role, row.content, row.after) for row in chain
    ]
    assert draft.personas == [BOB]


def test_a_message_cannot_pass_for_a_marker(store: Store) -> None:
    """Even one that repeats the markers of an export of the same conversation."""
    id = store.create_conversation(store.save_persona(ADA).id).id
    (root,) = store.add_messages(id, [NewMessage("user", "hello", created_at=0)])
    forged = export_markdown(store, id)
    store.add_messages(id, [NewMessage("assistant", forged, parent_id=root, created_at=0)])
    text = export_markdown(store, id)
    assert [row.content for row in read_markdown(text).rows] == ["hello", forged]


def test_a_hand_edit_of_the_text_is_read(store: Store) -> None:
    text = export_markdown(store, sample(store))
    edited = text.replace("What is an engine?", "What is\n\na loom?\n").replace("\n", "\r\n")
    assert read_markdown(edited).rows[0].content == "What is\n\na loom?\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (" end -->\n", "", "last line is missing"),
        ('{"role": "user"', '{"role": user', "comment lines is damaged"),
        ('{"role": "user"', '["role", "user"', "comment lines is damaged"),
        ('"role": "user"', '"role": "tool"', r"messages\.0\.role"),
        ("} -->\n#", " -->\n#", "first line is damaged"),
    ],
)
def test_damage_is_named(store: Store, old: str, new: str, words: str) -> None:
    text = export_markdown(store, sample(store))
    with pytest.raises(ItemError, match=words):
        read_markdown(text.replace(old, new, 1))
