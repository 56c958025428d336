"""The input line: several lines where wanted, history, completion, and the bottom line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from assistant.errors import AssistantError
from assistant.terminal.chat import Chat
from assistant.terminal.commands import COMMANDS, find
from assistant.terminal.safe_text import SURROGATE, one_line


class Slashes(Completer):
    """Completes commands and their arguments."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or text.startswith("//") or "\n" in text:
            return
        name, space, argument = text[1:].partition(" ")
        if not space:
            for command in COMMANDS:
                if command.name.startswith(name):
                    yield Completion(command.name, -len(name), display_meta=command.help)
            return
        try:
            command = find(name)
        except AssistantError:
            return
        for word in command.complete(self._chat) if command.complete else ():
            if word.startswith(argument):
                yield Completion(word, -len(argument))


class KeptHistory(FileHistory):
    """A history file that is no reason to fail: what cannot be written is only kept for this session."""

    def store_string(self, string: str) -> None:
        try:
            super().store_string(SURROGATE.sub("\ufffd", string))
        except OSError:
            return


def open_history(path: Path) -> History:
    """The history in `path`, or one in memory where no file can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return KeptHistory(path)


def bindings() -> KeyBindings:
    """Enter sends; Alt+Enter, or Enter after a backslash, begins a new line."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def open_prompt(chat: Chat, history: Path) -> PromptSession[str]:
    """The input line of a chat."""
    return PromptSession(
        "> ",
        multiline=True,
        prompt_continuation="  ",
        history=open_history(history),
        completer=Slashes(chat),
        complete_while_typing=False,
        key_bindings=bindings(),
        bottom_toolbar=lambda: bottom_line(chat),
    )


def bottom_line(chat: Chat) -> str:
    """Persona, turn, and how much of the window the last request took."""
    parts = [one_line(chat.persona.title, 30), f"turn {chat.meter.turn}"]
    window = chat.assistant.engine.window
    if chat.meter.used:
        parts.append(f"{chat.meter.used} of {window} tokens ({chat.meter.used * 100 // window}%)")
    else:
        parts.append(f"{window} tokens")
    return " " + " · ".join(parts)
