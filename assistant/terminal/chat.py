"""A chat at one screen: which conversation, who answers, and the turn that is running."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import AssistantError
from assistant.events import Event, Failed, Finished, Started
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.records import Conversation, StoredMessage
from assistant.terminal.screen import Screen
from assistant.turn import Turn


@dataclass(slots=True)
class Meter:
    """What the bottom line shows, kept up to date by the events of turns."""

    turn: int = 1
    used: int = 0

    def watch(self, event: Event) -> None:
        if isinstance(event, Started):
            self.used = event.prompt_tokens
        elif isinstance(event, Finished):
            self.used = event.prompt_tokens + event.completion_tokens


@dataclass(slots=True)
class Chat:
    """State of a chat, and what its commands can do to it.

    `conversation_id` is None until something is said or set: a chat that is opened and left leaves nothing behind.
    `leaf_id` is where this chat stands, None before the first message. The conversation's active leaf is where
    somebody stood last: with two chats in one conversation each goes on from its own place.
    """

    assistant: Assistant
    library: PersonaLibrary
    screen: Screen
    persona: Persona
    conversation_id: int | None = None
    leaf_id: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    leaving: bool = False
    # Whether the last thing that happened was a Ctrl-C: another one leaves.
    interrupted: bool = False
    any_failed: bool = False
    # What the next input line begins with.
    prefill: str = ""
    # The turn that is being shown.
    turn: Turn | None = None

    @property
    def sampling(self) -> Sampling:
        own = None
        if self.conversation_id is not None:
            own = self.assistant.store.conversation(self.conversation_id).sampling
        return Sampling(**{**(own or self.persona.sampling).model_dump(), **self.overrides})

    def conversation(self) -> Conversation:
        """The conversation, begun now if there was none."""
        store = self.assistant.store
        if self.conversation_id is None:
            version = store.save_persona(self.persona)
            engine = self.assistant.engine
            self.conversation_id = store.create_conversation(version.id, model=engine.model, engine=engine.name).id
        return store.conversation(self.conversation_id)

    def branch(self) -> list[StoredMessage]:
        """The messages of this chat's branch, oldest first."""
        return [] if self.leaf_id is None else self.assistant.store.branch(self.leaf_id)

    def go_to(self, conversation_id: int, leaf_id: int | None) -> None:
        """Stand at a message of the conversation, and make its branch the active one."""
        self.assistant.store.set_active_leaf(conversation_id, leaf_id)
        self.leaf_id = leaf_id

    def make_active(self, conversation_id: int) -> None:
        """Make this chat's branch the active one, for what looks at that one alone."""
        if self.assistant.store.conversation(conversation_id).active_leaf_id != self.leaf_id:
            self.go_to(conversation_id, self.leaf_id)

    def last(self, role: str) -> StoredMessage:
        """The newest message of a role on this chat's branch; raises AssistantError when there is none."""
        for message in reversed(self.branch()):
            if message.role == role:
                return message
        raise AssistantError("nothing has been said yet")

    def count_turns(self) -> None:
        """Set the bottom line's turn to the one that the next message begins."""
        self.meter.turn = 1 + sum(message.role == "user" for message in self.branch())

    def become(self, persona: Persona) -> None:
        """From now on `persona` answers."""
        if self.conversation_id is not None:
            version = self.assistant.store.save_persona(persona)
            self.assistant.store.set_persona(self.conversation_id, version.id)
        self.persona = persona

    async def say(self, text: str) -> None:
        """Send a message and show its reply."""
        if not text.strip():
            raise AssistantError("the message is empty: say something first")
        sampling = self.sampling
        conversation = self.conversation()
        await self.follow(self.assistant.send(conversation.id, text, parent_id=self.leaf_id, sampling=sampling))

    async def follow(self, starting: Awaitable[Turn]) -> None:
        """Show a turn until it ends."""
        turn = await starting
        self.leaf_id = turn.reply_id
        self.turn = turn
        if self.interrupted:
            turn.stop()
        try:
            ended = await self.screen.reply(turn)
        finally:
            self.turn = None
        if isinstance(ended, Failed):
            self.any_failed = True

    def interrupt(self) -> None:
        """What Ctrl-C does while a line is worked on: it stops the reply, one that is not there yet, too.

        A second one also leaves the chat.
        """
        self.leaving = self.leaving or self.interrupted
        self.interrupted = True
        if self.turn is not None:
            self.turn.stop()


@contextmanager
def on_interrupt(action: Callable[[], None]) -> Iterator[None]:
    """Do `action` on Ctrl-C instead of raising KeyboardInterrupt."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, action)
    except (ValueError, RuntimeError, NotImplementedError):  # not the main thread, or Windows
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
