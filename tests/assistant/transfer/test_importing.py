from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.store import imports
from assistant.store.errors import DiskFullError, StorageError
from assistant.store.messages import add_rows
from assistant.store.store import Store
from assistant.transfer.draft import MAX_MESSAGES, milliseconds
from assistant.transfer.export import FORMAT, export_json
from assistant.transfer.importing import TransferError, import_file
from assistant.transfer.write import Form, serialise, write_conversation
from tests.assistant.transfer.shapes import said, sample

LINE = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not valid JSON: .*line 1.*known are Steadfast JSON"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"PK\x03\x04rest", "unpack it and import the conversations.json"),
        (b"[" * 100_000, "is nested too deep"),
        (b"[]", "holds no conversation"),
        (b"3", "is of no known format"),
        (b'{"a": 1}', "is of no known format"),
        (b'[{"conversations": 3}, 4]', r"is of no known format.*\(and 1 more\)"),
        (b"<!-- steadfast.conversation broken", "first line is damaged"),
    ],
)
def test_an_unusable_file_says_why_and_stores_nothing(store: Store, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(TransferError, match=words) as caught:
        import_file(store, path)
    assert "file.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.counts().conversations == 0


KEYS = [
    *("format", "version", "title", "chat", "history", "messages", "currentId", "mapping", "current_node", "a", "b"),
    *("message", "author", "role", "content", "parts", "content_type", "metadata", "parent", "parentId", "params"),
    *("from", "value", "conversations", "meta", "tags", "timestamp", "create_time", "models", "error", "system"),
    *("persona_version", "persona_versions", "id", "persona", "active_leaf"),
]
WORDS = [FORMAT, "user", "assistant", "system", "tool", "human", "gpt", "a", "b", "text", ""]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
nodes = st.fixed_dictionaries(
    {
        "message": st.fixed_dictionaries({"author": values, "content": values}),
        "parent": st.sampled_from([None, "a", "b"]),
    }
)
items = (
    values
    | st.fixed_dictionaries({"mapping": st.dictionaries(st.sampled_from("abc"), nodes | values)})
    | st.fixed_dictionaries({"chat": values})
    | st.fixed_dictionaries({"conversations": values | st.lists(values)})
    | st.fixed_dictionaries({"format": st.just(FORMAT), "version": st.just(1), "messages": values})
)


@given(item=items)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_shape_of_json_gets_past_the_report(store: Store, tmp_path: Path, item: object) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([item, LINE]))
    report = import_file(store, path)
    assert len(report.conversation_ids) + len(report.skipped) >= 2


def test_folders_and_missing_files_are_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="is a folder"):
        import_file(store, tmp_path)
    with pytest.raises(TransferError, match="No such file"):
        import_file(store, tmp_path / "x.json")


def test_the_open_database_is_not_read_as_a_file(store: Store) -> None:
    """Closing it again would drop the locks that the store holds on it."""
    for name in ("chats.db", "chats.db-wal", "chats.db-shm"):
        assert store.path is not None
        with pytest.raises(TransferError, match="is the database"):
            import_file(store, store.path.with_name(name))


def test_a_broken_line_is_reported_and_the_others_are_imported(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{{broken\n\n{json.dumps(LINE)}\n")
    report = import_file(store, path)
    assert len(report.conversation_ids) == 2
    assert report.skipped[0].startswith("a.jsonl, line 2: is not valid JSON")
    assert said(store, report.conversation_ids[1]) == [("user", "Hi"), ("assistant", "Yo")]


def test_not_a_number_and_a_byte_order_mark_do_no_harm(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("\ufeff" + json.dumps({**LINE, "score": float("nan")}), encoding="utf-8")
    assert len(import_file(store, path).conversation_ids) == 1


def test_a_conversation_that_the_store_refuses_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([LINE, LINE]))
    failures: list[StorageError] = [StorageError("one row was refused")]

    def fail_once(*arguments: Any) -> None:
        add_rows(*arguments)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(imports, "add_rows", fail_once)
    report = import_file(store, path)
    assert report.skipped == ["a.json, conversation 1: one row was refused"]
    assert store.counts().conversations == len(report.conversation_ids) == 1
    failures.append(DiskFullError("the disk is full"))
    with pytest.raises(TransferError, match=r"conversation 1: the disk is full \(0 conversations were imported"):
        import_file(store, path)
    assert store.counts().conversations == 1


def test_what_is_imported_for_somebody_is_theirs_from_the_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([LINE, LINE]))
    came: list[int] = []

    def fail_second(*arguments: Any) -> None:
        add_rows(*arguments)
        came.append(arguments[1])
        if len(came) == 2:
            raise DiskFullError("the disk is full")

    ada = store.add_user("ada", "correct horse battery").id
    monkeypatch.setattr(imports, "add_rows", fail_second)
    with pytest.raises(TransferError, match=r"1 conversations were imported"):
        import_file(store, path, user_id=ada)
    assert [(summary.id, store.conversation(summary.id).user_id) for summary in store.list_conversations()] == [
        (came[0], ada)
    ]
    assert store.conversation(import_file(store, path).conversation_ids[0]).user_id is None


def test_more_messages_than_the_limit_are_refused(store: Store, tmp_path: Path) -> None:
    turns = [{"from": ("human", "gpt")[n % 2], "value": "x"} for n in range(MAX_MESSAGES + 1)]
    (tmp_path / "a.json").write_text(json.dumps({"conversations": turns}))
    with pytest.raises(TransferError, match="more than 100000; split it"):
        import_file(store, tmp_path / "a.json")


@pytest.mark.parametrize(
    "value", [1_700_000_000, 1_700_000_000.0, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000]
)
def test_times_in_any_unit_mean_the_same(value: float) -> None:
    assert milliseconds(value) == 1_700_000_000_000


@pytest.mark.parametrize("value", [None, True, "2024-01-01", float("nan"), float("inf"), -5, 0, 10**400])
def test_what_is_no_time_is_none(value: object) -> None:
    assert milliseconds(value) is None


@pytest.mark.parametrize("suffix", ["json", "md", "jsonl"])
def test_a_written_file_is_imported_again(store: Store, tmp_path: Path, suffix: Form) -> None:
    id, path = sample(store), tmp_path / f"chat.{suffix}"
    write_conversation(store, id, path)
    assert path.read_bytes().decode() == serialise(store, id, suffix)
    (copy,) = import_file(store, path).conversation_ids
    assert said(store, copy) == said(store, id)
    with pytest.raises(TransferError, match="exists; give another name"):
        write_conversation(store, id, path)


def test_a_file_that_cannot_be_written_says_why(store: Store, tmp_path: Path) -> None:
    id = sample(store)
    with pytest.raises(TransferError, match=r"let it end in \.json, \.md or \.jsonl"):
        write_conversation(store, id, tmp_path / "chat.txt")
    with pytest.raises(TransferError, match="cannot be written: No such file"):
        write_conversation(store, id, tmp_path / "none" / "chat.md")


def test_a_blocked_reply_leaves_only_as_its_refusal(store: Store) -> None:
    """The store never holds the text that was held back, so no export can."""
    blocked = [m for m in export_json(store, sample(store))["messages"] if m["status"] == "blocked"]
    assert [m["content"] for m in blocked] == ["I cannot help with that."]
    assert [m["error"] for m in blocked] == [None]


def test_editing_a_persona_leaves_old_conversations_with_theirs(store: Store) -> None:
    id = sample(store)
    before = export_json(store, id)
    persona = store.persona_version(store.conversation(id).persona_version_id).persona
    newer = store.save_persona(persona.model_copy(update={"instruction": "Other."}))
    assert newer.version == 3
    assert store.save_persona(newer.persona) == newer
    assert export_json(store, id) == before
