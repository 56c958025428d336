"""A person at a pseudo-terminal: typed keys, what the screen says, and what the database then holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from assistant.store.store import Store
from tests.assistant.terminal.real_terminal import ESCAPES, Person

Rows = list[tuple[str, str, str]]


def stored(person: Person, conversation_id: int = 1) -> Rows:
    with Store.open(str(person.db)) as store:
        return [(m.role, m.content, m.status) for m in store.all_messages(conversation_id)]


def slow(words: int) -> dict[str, Any]:
    return {"text": "word " * words, "delay": 0.03}


def test_a_chat_from_greeting_to_the_end_of_input(tmp_path: Path) -> None:
    person = Person(tmp_path, [{"text": "Hello **there**."}, {"text": "Three lines, I see."}])
    start = person.sees(r"turn 1 · 2048 tokens")
    # The greeting does not wait for the model.
    assert 0 <= start.find("Good day, dear student.") < start.find("scripted-model, as scripted")
    person.types("Hi\r")
    person.sees(r"Hello there\.(?s:.*)turn 2 · \d+ of 2048 tokens")
    person.pastes("one\ntwo\nthree")
    person.sees("three")
    person.types("\r")
    person.sees("Three lines, I see.(?s:.*)turn 3")
    person.types("/brnches\r")
    person.sees("error: there is no command /brnches: did you mean /branches?(?s:.*)turn 3")
    person.types("/persona pir\t")
    person.sees("ate")
    person.types("\r")
    person.sees("Captain Redbeard answers from now on(?s:.*)Captain Redbeard · turn 3")
    person.types("\x04")
    assert person.leaves() == 0
    assert stored(person) == [
        ("user", "Hi", "complete"),
        ("assistant", "Hello **there**.", "complete"),
        ("user", "one\ntwo\nthree", "complete"),
        ("assistant", "Three lines, I see.", "complete"),
    ]


def test_interrupting_a_reply_keeps_what_came_and_a_second_leaves(tmp_path: Path) -> None:
    person = Person(tmp_path, [slow(300)])
    person.sees("turn 1")
    person.types("Go\r")
    person.sees("word word word")
    person.child.sendintr()
    seen = person.sees(r"stopped; kept \d+ words?(?s:.*)turn 2")
    person.types("\x03")
    assert person.leaves() == 0
    [_, (role, content, status)] = stored(person)
    assert (role, status) == ("assistant", "stopped")
    assert 3 <= len(content.split()) < 300
    assert f"kept {len(content.split())} word" in seen


def test_interrupting_twice_in_haste_leaves_and_keeps_what_came(tmp_path: Path) -> None:
    person = Person(tmp_path, [slow(300)])
    person.sees("turn 1")
    person.types("Go\r")
    person.sees("word word")
    person.child.sendintr()
    time.sleep(0.1)
    person.child.sendintr()
    # The second one meets the reply's end, the input line, or the moment between them.
    assert person.leaves() in (0, 130)
    assert stored(person)[1][2] == "stopped"


def test_at_the_prompt_the_first_interrupt_clears_and_the_second_leaves(tmp_path: Path) -> None:
    person = Person(tmp_path, [])
    person.sees("turn 1")
    person.types("half a messa")
    person.sees("messa")
    person.types("\x03")
    person.sees("Ctrl-C again leaves(?s:.*)turn 1")
    person.types("\x03")
    assert person.leaves() == 0
    with Store.open(str(person.db)) as store:
        assert store.counts().conversations == 0


def test_a_reply_taller_than_the_screen_is_all_there(tmp_path: Path) -> None:
    listing = "```\n" + "\n".join(f"line number {n}." for n in range(50)) + "\n```\n"
    person = Person(tmp_path, [{"text": listing, "delay": 0.001}], "--max-tokens", "900", rows=10)
    person.sees("turn 1")
    person.types("Go\r")
    person.sees("turn 2")
    person.types("\x04")
    assert person.leaves() == 0
    shown = ESCAPES.sub("", person.seen)
    for number in range(50):
        assert f"line number {number}." in shown


def test_keys_typed_while_a_reply_streams_wait_for_the_next_line(tmp_path: Path) -> None:
    person = Person(tmp_path, [slow(40), {"text": "Second."}])
    person.sees("turn 1")
    person.types("Go\r")
    person.sees("word word")
    person.types("early")
    person.sees("turn 2")
    # What switches bracketed paste on is the beginning of the next input line.
    streamed = person.seen.split("\x1b[?2004h")[-2]
    assert "word" in streamed
    assert "early" not in streamed
    person.types("\r")
    person.sees("Second.")
    person.types("\x04")
    assert person.leaves() == 0
    assert stored(person)[2][1] == "early"
