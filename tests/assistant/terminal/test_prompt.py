"""The input line, with keys typed into prompt_toolkit's own test terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from assistant.terminal.chat import Chat
from assistant.terminal.prompt import Slashes, bottom_line, open_history, open_prompt
from assistant.terminal.screen import PlainScreen
from tests.scripted_engine import ScriptedEngine


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    library = PersonaLibrary(tmp_path / "personas")
    with Store.open(str(tmp_path / "test.db")) as store:
        assistant = Assistant(store, ScriptedEngine(["one", "two"]))
        yield Chat(assistant, library, PlainScreen(), library.get("pirate"))


async def typed(chat: Chat, keys: PipeInput, tmp_path: Path, text: str) -> str:
    # From a thread: a pipe holds less than a long paste.
    Thread(target=keys.send_text, args=(text,), daemon=True).start()
    return await open_prompt(chat, tmp_path / "history").prompt_async()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello\r", "hello"),
        ("one\x1b\rtwo\r", "one\ntwo"),
        ("one\\\rtwo\r", "one\ntwo"),
        ("\x1b[200~one\ntwo\r\nthree\n\x1b[201~\r", "one\ntwo\nthree\n"),
        ("\x1b[200~\x1b[31mred\x1b[201~\r", "\x1b[31mred"),
    ],
)
async def test_keys_make_a_line(chat: Chat, keys: PipeInput, tmp_path: Path, text: str, line: str) -> None:
    assert await typed(chat, keys, tmp_path, text) == line


async def test_ten_thousand_pasted_lines_are_one_message(chat: Chat, keys: PipeInput, tmp_path: Path) -> None:
    text = "\n".join(f"line {number}" for number in range(10_000))
    assert await typed(chat, keys, tmp_path, f"\x1b[200~{text}\x1b[201~\r") == text


async def test_history_is_kept_from_one_chat_to_the_next(chat: Chat, keys: PipeInput, tmp_path: Path) -> None:
    await typed(chat, keys, tmp_path, "first\x1b\rline\r")
    assert await typed(chat, keys, tmp_path, "\x1b[A\r") == "first\nline"
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0


async def test_a_lone_surrogate_does_not_break_the_history(chat: Chat, tmp_path: Path) -> None:
    history = open_history(tmp_path / "history")
    history.append_string("broken \udcff")
    assert "broken \ufffd" in (tmp_path / "history").read_text()


def test_a_history_that_cannot_be_a_file_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(open_history(tmp_path / "file" / "history"), InMemoryHistory)


def completions(chat: Chat, text: str) -> list[str]:
    return [c.text for c in Slashes(chat).get_completions(Document(text), CompleteEvent())]


async def test_completion_knows_commands_personas_and_branches(chat: Chat) -> None:
    assert completions(chat, "/bran") == ["branches", "branch"]
    assert completions(chat, "/persona p") == ["pirate", "plain-speaker", "poet", "professor"]
    assert completions(chat, "/branch ") == []
    await chat.say("Hello")
    await chat.follow(chat.assistant.retry(1))
    assert completions(chat, "/branch ") == ["1", "2"]
    assert completions(chat, "hello /p") == []
    assert completions(chat, "//p") == []
    assert completions(chat, "/nothing x") == []


def test_the_bottom_line_shows_persona_turn_and_window(chat: Chat) -> None:
    chat.meter.turn, chat.meter.used = 3, 512
    assert bottom_line(chat) == " Captain Redbeard · turn 3 · 512 of 2048 tokens (25%)"
