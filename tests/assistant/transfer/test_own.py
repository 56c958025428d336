from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.store.records import NewMessage
from assistant.store.store import Store
from assistant.transfer.export import export_json
from assistant.transfer.importing import TransferError, import_file
from tests.assistant.transfer.shapes import ADA, BOB, exported, plain, reviewed, sample, trees


def read_back(store: Store, path: Path, data: object) -> list[int]:
    path.write_text(json.dumps(data))
    report = import_file(store, path)
    assert report.skipped == []
    return report.conversation_ids


def test_an_import_equals_what_was_exported(store: Store, tmp_path: Path) -> None:
    original = sample(store)
    (copy,) = read_back(store, tmp_path / "a.json", export_json(store, original))
    assert copy != original
    assert exported(store, copy) == exported(store, original)
    assert len(store.persona_versions("ada")) == 2


def test_reviews_and_times_come_back(store: Store, tmp_path: Path) -> None:
    whole = export_json(store, sample(store)) | {"created_at": 1_000, "updated_at": 2_000}
    (copy,) = read_back(store, tmp_path / "a.json", whole)
    ids = [message.id for message in store.all_messages(copy)]
    assert [(kept.rating, kept.comment) for kept in store.feedback(ids[1])] == [(1, ""), (-1, "on reflection\nno")]
    (verdict,) = store.verdicts(ids[3])
    assert (verdict.judge, verdict.score, verdict.decision, verdict.reason) == ("reward", 0.25, "block", "unsafe -->")
    kept = store.conversation(copy)
    assert (kept.created_at, kept.updated_at) == (1_000, 2_000)


def test_an_export_from_before_there_were_reviews_is_read(store: Store, tmp_path: Path) -> None:
    whole = export_json(store, sample(store))
    for message in whole["messages"]:
        del message["verdicts"], message["feedback"]
    del whole["created_at"], whole["updated_at"]
    (copy,) = read_back(store, tmp_path / "a.json", whole)
    assert store.reviews(copy) == ([], [])
    assert store.conversation(copy).updated_at == max(message["created_at"] for message in whole["messages"])


def test_a_list_and_json_lines_of_exports_are_imported(store: Store, tmp_path: Path) -> None:
    one = export_json(store, sample(store))
    assert len(read_back(store, tmp_path / "a.json", [one, one])) == 2
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(one)}\n\n{json.dumps(one)}\n")
    assert len(import_file(store, tmp_path / "a.jsonl").conversation_ids) == 2


@given(rows=trees(), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_comes_back_identical(
    store: Store, tmp_path: Path, rows: list[NewMessage], data: st.DataObject
) -> None:
    versions = [store.save_persona(ADA).id, store.save_persona(BOB).id]
    named = [
        dataclasses.replace(row, persona_version_id=versions[row.persona_version_id])
        if row.persona_version_id is not None
        else row
        for row in rows
    ]
    new = data.draw(reviewed(versions[0], named))
    original = store.import_conversation(new)
    whole = export_json(store, original)
    assert (whole["created_at"], whole["updated_at"]) == (new.created_at, new.updated_at)
    for kind, given_ in (("verdicts", new.verdicts), ("feedback", new.feedback)):
        kept = [review["created_at"] for message in whole["messages"] for review in message[kind]]
        assert sorted(kept) == sorted(review.created_at for review in given_)
    (copy,) = read_back(store, tmp_path / "a.json", whole)
    assert exported(store, copy) == plain(whole)
    (tmp_path / "b.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    (copy,) = import_file(store, tmp_path / "b.json").conversation_ids
    assert exported(store, copy) == plain(whole)


def test_messages_in_another_order_are_put_in_order(store: Store, tmp_path: Path) -> None:
    original = export_json(store, sample(store))
    shuffled = {**original, "messages": original["messages"][::-1]}
    (copy,) = read_back(store, tmp_path / "a.json", shuffled)
    by_text = {message["content"]: message for message in export_json(store, copy)["messages"]}
    assert by_text["Show code"]["parent"] == by_text["A machine."]["id"]


def test_a_reply_that_was_being_written_is_interrupted(store: Store, tmp_path: Path) -> None:
    whole = export_json(store, sample(store))
    whole["messages"][-1]["status"] = "streaming"
    (copy,) = read_back(store, tmp_path / "a.json", whole)
    assert store.all_messages(copy)[-1].status == "interrupted"


def test_text_that_no_database_holds_is_mended(store: Store, tmp_path: Path) -> None:
    whole = export_json(store, sample(store))
    whole["messages"][0] |= {"content": "a\ud83db\0c\ud83d\ude00", "model": "\0", "finish_reason": "\udc00"}
    (copy,) = read_back(store, tmp_path / "a.json", whole)
    assert store.all_messages(copy)[0].content == "a\ufffdb\ufffdc😀"


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda item: item.update(version=2), "is of format version 2; upgrade this program"),
        (lambda item: item.update(version="x"), "is of format version 'x'; known is version 1"),
        (lambda item: item.pop("messages"), "messages: Field required"),
        (lambda item: item["messages"][1].update(role="tool"), r"messages\.1\.role: Input should be 'system'"),
        (lambda item: item["messages"][1].update(created_at=2**70), r"messages\.1\.created_at"),
        (lambda item: item["messages"][1].update(prompt_tokens=2**31), r"messages\.1\.prompt_tokens"),
        (lambda item: item["messages"][1]["feedback"][0].update(rating=0), r"messages\.1\.feedback\.0\.rating"),
        (lambda item: item["messages"][1].update(parent=999), "answers 999, which is missing"),
        (lambda item: item["messages"][0].update(parent=item["messages"][4]["id"]), "comes after itself"),
        (lambda item: item["messages"][0].update(parent=item["messages"][0]["id"]), "comes after itself"),
        (lambda item: item["messages"][1].update(id=item["messages"][0]["id"]), "two messages with one id"),
        (lambda item: item.update(active_leaf=999), "active_leaf 999 is no message"),
        (lambda item: item.update(persona_version=999), "persona_version 999 is not in it"),
        (lambda item: item["messages"][1].update(persona_version=999), "names a persona_version"),
        (lambda item: item["persona_versions"][0]["persona"].update(name="A b"), "name: is 'A b'; use up to 64"),
        (lambda item: item["persona_versions"][0]["persona"].update(extensions={"x": deep(300)}), "levels deep"),
    ],
)
def test_a_broken_export_is_skipped_with_the_reason(
    store: Store, tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    good = export_json(store, sample(store))
    bad = json.loads(json.dumps(good))
    change(bad)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([bad, good]))
    before = store.counts().conversations
    report = import_file(store, path)
    assert len(report.conversation_ids) == 1
    assert store.counts().conversations == before + 1
    (reason,) = report.skipped
    assert reason.startswith("a.json, conversation 1 (Engines & <b>): ")
    path.write_text(json.dumps(bad))
    with pytest.raises(TransferError, match=words):
        import_file(store, path)
