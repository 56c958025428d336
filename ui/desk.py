"""What stands behind the chat page, and what of it a tab and its person may reach."""

from __future__ import annotations

from contextlib import suppress

import gradio as gr

from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.service import Assistant
from assistant.store.errors import NotFoundError
from assistant.store.records import Conversation, StoredMessage
from assistant.store.store import Store
from assistant.turn import Turn
from ui.sessions import Sessions
from ui.tab import Choices, Tab


class Desk:
    """The assistant, its store and its personas, for everybody who has the page open."""

    def __init__(self, assistant: Assistant, library: PersonaLibrary, persona: str) -> None:
        """`persona` answers in a new conversation until another one is chosen."""
        self.assistant = assistant
        self.store = assistant.store
        self.library = library
        self._default = persona
        self._tabs = Sessions(lambda: Tab(persona=persona))

    def user(self, request: gr.Request) -> int | None:
        """Who is logged in, None where nobody has to."""
        return None if request.username is None else self.store.user(request.username).id

    def tab(self, request: gr.Request) -> Tab:
        """The tab that asks."""
        return self._tabs.of(request.session_hash)

    def arrive(self, where: str, request: gr.Request) -> Tab:
        """The tab that asks; one that this server has not seen yet says itself where it is."""
        tab = self.tab(request)
        if tab.fresh:
            tab.fresh = False
            if where.isdecimal():
                with suppress(NotFoundError, OverflowError):
                    conversation = self.owned(int(where), self.user(request))
                    tab.conversation, tab.leaf = conversation.id, conversation.active_leaf_id
        return tab

    def persona(self, tab: Tab) -> Persona:
        """Who answers in this tab."""
        if tab.conversation is not None:
            conversation = self.store.conversation(tab.conversation)
            return self.store.persona_version(conversation.persona_version_id).persona
        try:
            return self.library.get(tab.persona or self._default)
        except AssistantError:
            return self.library.all()[0]

    def begin(self, tab: Tab, user: int | None) -> Conversation:
        """A conversation as this tab has chosen it."""
        version = self.store.save_persona(self.persona(tab))
        conversation = self.store.create_conversation(version.id, user_id=user)
        if tab.choices.persistence is not None:
            self.store.set_persistence(conversation.id, tab.choices.persistence)
        if tab.choices.sampling is not None:
            self.store.set_sampling(conversation.id, tab.choices.sampling)
        if tab.choices.guard is not None:
            self.store.set_guard(conversation.id, tab.choices.guard)
        return conversation

    def choices(self, tab: Tab) -> Choices:
        """How replies are made in the open conversation, or in the one that begins next."""
        if tab.conversation is None:
            return tab.choices
        conversation = self.store.conversation(tab.conversation)
        return Choices(conversation.persistence, conversation.sampling, conversation.guard)

    def running(self, tab: Tab) -> Turn | None:
        """The reply that this process is writing in the open conversation."""
        if tab.conversation is None:
            return None
        leaf = self.store.conversation(tab.conversation).active_leaf_id
        return None if leaf is None else self.assistant.running(leaf)

    def is_growing(self, leaf: StoredMessage | None) -> bool:
        """Whether somebody writes this reply: this process, or another one on the same database."""
        if leaf is None or leaf.status != "streaming":
            return False
        if self.assistant.running(leaf.id) is not None:
            return True
        self.store.interrupt_dead()
        return self.store.message(leaf.id).status == "streaming"

    def end_reply_elsewhere(self, tab: Tab) -> None:
        """Ask the process that writes the open conversation's last reply to stop."""
        if tab.conversation is not None:
            leaf = self.leaf(self.store.conversation(tab.conversation))
            if leaf is not None and self.is_growing(leaf):
                self.store.ask_to_stop(leaf.id)

    def leaf(self, conversation: Conversation) -> StoredMessage | None:
        """The last message of the conversation's active branch."""
        return None if conversation.active_leaf_id is None else self.store.message(conversation.active_leaf_id)

    def message(self, tab: Tab, id: int) -> StoredMessage:
        """A message of the open conversation, which is this person's. Raises AssistantError for any other."""
        message = self.store.message(id)
        if message.conversation_id != tab.conversation:
            raise AssistantError(f"message {id} is not in this conversation")
        return message

    def owned(self, id: int, user: int | None) -> Conversation:
        """See `owned`."""
        return owned(self.store, id, user)


def owned(store: Store, id: int, user: int | None) -> Conversation:
    """A conversation of this person's, or any where nobody logs in.

    Raises:
        NotFoundError: there is none; for somebody else's, too: that it exists is not told.
    """
    conversation = store.conversation(id)
    if user is not None and conversation.user_id != user:
        raise NotFoundError(f"There is no conversation {id}.")
    return conversation
