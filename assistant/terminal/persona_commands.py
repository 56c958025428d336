"""Slash commands about who answers."""

from __future__ import annotations

from typing import cast

from assistant.errors import AssistantError
from assistant.personas.persona import Persistence
from assistant.terminal.chat import Chat
from assistant.terminal.custom import custom_persona


async def persona(chat: Chat, argument: str) -> None:
    """Change who answers, or list who can."""
    if argument:
        chat.become(chat.library.get(argument))
        chat.screen.note(f"{chat.persona.title} answers from now on")
        return
    lines = []
    for known in chat.library.all():
        mark = "*" if known.name == chat.persona.name else " "
        lines.append(f"{mark} {known.name:<16} {known.description or known.title}")
    chat.screen.show("\n".join(lines))


async def system(chat: Chat, argument: str) -> None:
    """Set an instruction of one's own, or show the one that is sent."""
    if not argument:
        chat.screen.show(chat.persona.instruction)
        return
    chat.become(custom_persona(argument))
    chat.screen.note("your instruction holds from now on")


async def persist(chat: Chat, argument: str) -> None:
    """Choose how the instruction is kept in front of the model."""
    if not argument:
        own = None if chat.conversation_id is None else chat.conversation().persistence
        chat.screen.show(own or chat.persona.persistence)
        return
    if argument not in ("pin", "remind"):
        raise AssistantError("give /persist pin or /persist remind")
    chat.assistant.store.set_persistence(chat.conversation().id, cast(Persistence, argument))
    effect = "goes first" if argument == "pin" else "goes first, and each message carries a reminder of it"
    chat.screen.note(f"the instruction {effect}")
