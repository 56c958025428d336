"""From options to a chat: what `chat` and `ask` share.

What can be wrong is found in the order of its cost: settings, persona, store, conversation, and last the model,
which takes seconds to load. Nothing is changed before all of it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assistant.cli.opening import open_guard, open_library, open_model, open_store, read_settings, with_options
from assistant.engines import catalog
from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.service import Assistant
from assistant.settings import Settings
from assistant.store.records import Conversation, StoredMessage
from assistant.store.store import Store
from assistant.terminal.chat import Chat, Meter
from assistant.terminal.custom import custom_persona
from assistant.terminal.home import typed_path
from assistant.terminal.screen import Screen
from guardrails.policy import Policy
from guardrails.policy import load as load_policy


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line, or a default."""

    persona: str | None = None
    system: str | None = None
    model: str | None = None
    engine: str | None = None
    guard: str | None = None
    newest: bool = False
    conversation: int | None = None
    db: str | None = None
    base_url: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a chat needs but the model. `conversation` is None for one that begins with its first message."""

    wanted: Wanted
    settings: Settings
    library: PersonaLibrary
    store: Store
    persona: Persona
    policy: Policy
    conversation: Conversation | None
    branch: list[StoredMessage]

    def load_model(self) -> catalog.Opened:
        """The model that was asked for, else the conversation's own, else the settings'. Takes seconds.

        Raises:
            AssistantError: it is not on this machine, or cannot be used.
        """
        own = self.conversation.model if self.conversation else ""
        if self.wanted.model or own in ("", catalog.BUNDLED):
            return self._open(self.wanted.model or own or self.settings.model)
        try:
            return self._open(self._where(own))
        except AssistantError as error:
            raise AssistantError(
                f"this conversation goes on with its model, but {error}; "
                f"to go on with another one: --model {catalog.BUNDLED}"
            ) from None

    def chat(self, opened: catalog.Opened, screen: Screen, overrides: dict[str, Any], meter: Meter) -> Chat:
        """The chat, on a model that is there: only now may the conversation change.

        Raises:
            UserError: the guard's rules, model or log cannot be used.
        """
        chat = Chat(
            Assistant(self.store, opened.engine, open_guard(self.policy, self.settings)),
            self.library,
            screen,
            self.persona,
            overrides=overrides,
            meter=meter,
        )
        if self.conversation is not None:
            chat.conversation_id = self.conversation.id
            chat.leaf_id = self.branch[-1].id if self.branch else None
            if chat.leaf_id != self.conversation.active_leaf_id:
                screen.note("a reply is being written in this conversation elsewhere: this chat goes on before it")
            if self.wanted.persona or self.wanted.system is not None:
                chat.become(self.persona)
        return chat

    def _where(self, own: str) -> str:
        """The settings may name a model by its folder, and the conversation then has the folder's name."""
        given = self.settings.model
        return given if given and typed_path(given).resolve().name == own else own

    def _open(self, model: str | None) -> catalog.Opened:
        return open_model(self.settings, model, self.wanted.engine, self.wanted.base_url)


@contextmanager
def prepare(wanted: Wanted) -> Iterator[Prepared]:
    """Find what was asked for; the store is closed at the end.

    Raises:
        AssistantError: anything that is not there or cannot be opened, named with its fix.
    """
    if wanted.persona and wanted.system:
        raise AssistantError("--persona and --system both say who answers: give one of them")
    if wanted.newest and wanted.conversation is not None:
        raise AssistantError("--continue and --conversation both choose a conversation: give one of them")
    settings = with_options(read_settings(), wanted.base_url, wanted.options)
    library = open_library(settings)
    chosen = _chosen_persona(wanted, library)
    policy = load_policy(wanted.guard or settings.guard)
    with open_store(wanted.db, settings) as store:
        conversation = _conversation(store, wanted)
        if chosen is None and conversation is not None:
            persona = store.persona_version(conversation.persona_version_id).persona
        else:
            persona = chosen or library.get(settings.persona)
        branch = [] if conversation is None else _finished_branch(store, conversation)
        yield Prepared(wanted, settings, library, store, persona, policy, conversation, branch)


def sampling_overrides(**given: Any) -> dict[str, Any]:
    """The sampling settings that were given."""
    return {name: value for name, value in given.items() if value is not None}


def _chosen_persona(wanted: Wanted, library: PersonaLibrary) -> Persona | None:
    if wanted.system is not None:
        return custom_persona(wanted.system)
    return library.get(wanted.persona) if wanted.persona else None


def _conversation(store: Store, wanted: Wanted) -> Conversation | None:
    if wanted.conversation is not None:
        return store.conversation(wanted.conversation)
    if not wanted.newest:
        return None
    newest = store.latest_conversation()
    if newest is None:
        raise AssistantError("there is no conversation to go on with yet: start one without --continue")
    return newest


def _finished_branch(store: Store, conversation: Conversation) -> list[StoredMessage]:
    """The active branch, without a last turn that another process is still answering."""
    leaf = conversation.active_leaf_id
    branch = [] if leaf is None else store.branch(leaf)
    if branch and branch[-1].status == "streaming":
        del branch[-2:]
    return branch
