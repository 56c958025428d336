"""Dialogue sources: every format is read, what cannot be used is named by its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assistant.personas.persona import Persona
from assistant.store.records import NewMessage
from assistant.store.store import Store
from gatt.dataset.sources import SourceError, from_conversations, from_file, from_topics


def file(folder: Path, *lines: Any) -> Path:
    path = folder / "source.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def openai(*said: str) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]}


@pytest.mark.parametrize(
    ("line", "users", "answers"),
    [
        (openai("hi", "hello", "bye"), ("hi", "bye"), ("hello", None)),
        (openai("hi", "hello"), ("hi",), ("hello",)),
        (
            {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
            ("hi",),
            ("hello",),
        ),
        ({"turns": ["a", "b"]}, ("a", "b"), (None, None)),
        ({"prompt": "a", "other": 3}, ("a",), (None,)),
        ('"a"\n', ("a",), (None,)),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, ("a",), (None,)),
    ],
)
def test_every_format_is_read(tmp_path: Path, line: Any, users: tuple[str, ...], answers: tuple[str | None]) -> None:
    [dialogue] = from_file(file(tmp_path, line)).dialogues
    assert (dialogue.users, dialogue.answers) == (users, answers)
    assert dialogue.id == "source.jsonl:1"


def test_system_messages_and_greetings_before_the_first_question_are_left_out(tmp_path: Path) -> None:
    said = [("system", "Be kind."), ("assistant", "Welcome!"), ("user", "hi"), ("assistant", "hello")]
    line = {"messages": [{"role": role, "content": text} for role, text in said]}
    [dialogue] = from_file(file(tmp_path, line)).dialogues
    assert (dialogue.users, dialogue.answers) == (("hi",), ("hello",))


def test_a_dialogue_ends_before_the_first_message_out_of_turn(tmp_path: Path) -> None:
    said = [("user", "hi"), ("assistant", "hello"), ("tool", "{}"), ("user", "bye")]
    line = {"messages": [{"role": role, "content": text} for role, text in said]}
    [dialogue] = from_file(file(tmp_path, line)).dialogues
    assert dialogue.users == ("hi",)


def test_blank_lines_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = file(tmp_path, '\ufeff"a"\n\n  \n"b"\n')
    assert [one.id for one in from_file(path).dialogues] == ["source.jsonl:1", "source.jsonl:4"]


def test_line_separators_inside_a_string_do_not_split_its_line(tmp_path: Path) -> None:
    [dialogue] = from_file(file(tmp_path, '{"prompt": "a\u2028b\u0085c"}\n')).dialogues
    assert dialogue.users == ("a\u2028b\u0085c",)


def test_lone_surrogates_become_storable(tmp_path: Path) -> None:
    [dialogue] = from_file(file(tmp_path, '{"prompt": "a\\ud800b"}\n')).dialogues
    assert dialogue.users[0].encode()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (({"prompt": "a"}, openai("b")), "line 2 of .* by 'messages', but line 1 is one by 'prompt'"),
        (({"prompt": "a"}, '"b"\n'), "line 2 .* format a file of its own"),
        (({"prompt": "a"}, "{oops\n"), "line 2 of .* is not JSON"),
        (({"text": "a"},), "line 1 of .* has none of messages"),
        (({"prompt": "a", "turns": []},), "has turns and prompt of"),
        (([1],), "has none of"),
        (({"prompt": ["a"]},), "'prompt' must be a string"),
        (({"turns": "a"},), "'turns' must be a list"),
        (({"messages": [{"role": "user"}]},), "needs 'role' and 'content'"),
        (({"messages": [{"role": "user", "content": [{"type": "image"}]}]},), "is not text"),
        ((), "has no user turns"),
        (({"messages": [{"role": "assistant", "content": "a"}]}, {"messages": []}), "has no user turns"),
        (({"prompt": "  "},), "has no user turns"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, lines: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        from_file(file(tmp_path, *lines))


def test_a_missing_file_and_another_encoding_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        from_file(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'"caf\xe9"')
    with pytest.raises(SourceError, match="not UTF-8 at byte 4"):
        from_file(tmp_path / "latin.jsonl")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(f"sqlite:///{tmp_path / 'chats.db'}") as opened:
        for name, question in (("pirate", "one"), ("pirate", "two"), ("poet", "three")):
            version = opened.save_persona(Persona(name=name, title=name, instruction="Speak.")).id
            chat = opened.create_conversation(version)
            said = [NewMessage("user", question), NewMessage("assistant", "good", after=0)]
            said += [NewMessage("user", "more", after=1), NewMessage("assistant", "half", after=2, status="stopped")]
            opened.add_messages(chat.id, said)
        yield opened


def questions(source: Any) -> list[str]:
    return [dialogue.users[0] for dialogue in source.dialogues]


def test_conversations_are_read_whole_without_replies_that_were_cut_off(store: Store) -> None:
    source = from_conversations(store)
    assert questions(source) == ["one", "two", "three"]
    assert source.dialogues[0].answers == ("good", None)
    assert source.sha256 == from_conversations(store).sha256


def test_conversations_are_chosen_by_feedback(store: Store) -> None:
    first, second = (store.all_messages(id)[1].id for id in (1, 2))
    for message, rating in ((first, -1), (first, 1), (second, 1), (second, -1)):
        store.add_feedback(message, rating)
    assert questions(from_conversations(store, feedback="up")) == ["one"]
    assert questions(from_conversations(store, feedback="down")) == ["two"]


def test_conversations_are_chosen_by_persona_and_day(store: Store) -> None:
    assert questions(from_conversations(store, persona="poet")) == ["three"]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert len(from_conversations(store, until=tomorrow).dialogues) == 3
    with pytest.raises(SourceError, match="no user turns"):
        from_conversations(store, since=tomorrow)


def test_the_trash_is_no_source(store: Store) -> None:
    store.trash(1)
    assert questions(from_conversations(store)) == ["two", "three"]


def test_topics_are_kept_once() -> None:
    assert from_topics([" the  sea", "cooking", "the sea", ""]).topics == ("the sea", "cooking")
    with pytest.raises(SourceError, match="no topics"):
        from_topics([" "])
