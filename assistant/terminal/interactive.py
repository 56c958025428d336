"""A chat at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import AssistantError
from assistant.personas.persona import Persona
from assistant.store.records import StoredMessage
from assistant.terminal.chat import Chat
from assistant.terminal.commands import take
from assistant.terminal.screen import Screen

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


def show_beginning(screen: Screen, branch: list[StoredMessage], persona: Persona) -> None:
    """The last turn of a conversation that goes on, or the greeting of one that begins."""
    for message in branch[-2:]:
        screen.message(message.role, message.content or f"({message.status})")
    if not branch and persona.greeting:
        screen.message("assistant", persona.greeting)


async def run_interactive(chat: Chat, history: Path) -> int:
    """Talk until the person leaves; the exit code."""
    from assistant.terminal.prompt import open_prompt

    prompt = open_prompt(chat, history)
    while not chat.leaving:
        line = await _read(chat, prompt)
        if line is None or not line.strip():
            continue
        try:
            await take(chat, line)
        except AssistantError as error:
            chat.screen.error(str(error))
    return 0


async def _read(chat: Chat, prompt: PromptSession[str]) -> str | None:
    """A message or command; None for an input that was given up. Two Ctrl-C in a row, or Ctrl-D, leave."""
    chat.count_turns()
    prefill, chat.prefill = chat.prefill, ""
    try:
        line = await prompt.prompt_async(default=prefill)
    except EOFError:
        chat.leaving = True
        return None
    except KeyboardInterrupt:
        empty = not prompt.default_buffer.text
        if empty and chat.interrupted:
            chat.leaving = True
            return None
        chat.interrupted = True
        chat.screen.note("Ctrl-C again leaves")
        return None
    chat.interrupted = False
    return line
