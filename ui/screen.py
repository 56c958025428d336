"""What a tab shows: the store's present state, as changes to the page's components."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from assistant.personas.persona import Persona
from assistant.store.errors import NotFoundError
from assistant.store.records import Conversation
from ui import render
from ui.desk import Desk
from ui.listing import listing
from ui.parts import Parts, Update
from ui.tab import Tab
from ui.view import look


class Screen:
    """Draws what is there. It changes nothing but what a tab knows of itself."""

    def __init__(self, desk: Desk, parts: Parts) -> None:
        self._desk = desk
        self._store = desk.store
        self._parts = parts

    def changes(self, tab: Tab, user: int | None) -> Update:
        """What the page does not show yet; never empty, which Gradio would take for a value."""
        parts = self._parts
        update: Update = {parts.where: gr.skip()}
        listed = listing(
            self._store,
            user=user,
            shelf=tab.shelf,
            search=tab.search,
            open_id=tab.conversation,
            undo=self._deleted(tab),
            limit=tab.limit,
        )
        if listed != tab.listed:
            tab.listed = listed
            update[parts.conversations] = listed
        if tab.conversation is None:
            return update | self._new_conversation(tab)
        try:
            conversation = self._desk.owned(tab.conversation, user)
        except NotFoundError:
            tab.leave(None)
            return update | self._new_conversation(tab)
        return update | self._conversation(tab, conversation)

    def _deleted(self, tab: Tab) -> Conversation | None:
        """What this tab last moved to the trash, while it is there."""
        if tab.undo is None:
            return None
        try:
            conversation = self._store.conversation(tab.undo)
        except NotFoundError:
            conversation = None
        if conversation is None or conversation.deleted_at is None:
            tab.undo = None
            return None
        return conversation

    def _new_conversation(self, tab: Tab) -> Update:
        persona, personas = self._desk.persona(tab), self._desk.library.all()
        seen = (None, persona, personas)
        if tab.seen == seen:
            return {}
        tab.seen, tab.leaf = seen, None
        parts = self._parts
        return {
            parts.header: render.header("New chat", persona.title, conversation=None, running=False, adherence=[]),
            parts.gallery: gr.update(value=render.gallery(personas, persona.name), visible=True),
            parts.messages: render.opening(persona),
            parts.live: "",
            parts.status: "",
            parts.where: "",
            **self._settings(None, persona, tab.persistence),
        }

    def _conversation(self, tab: Tab, conversation: Conversation) -> Update:
        desk = self._desk
        leaf = desk.leaf(conversation)
        running = leaf is not None and desk.assistant.running(leaf.id) is not None
        if leaf is not None and leaf.status == "streaming" and not running and self._store.interrupt_dead():
            leaf = desk.leaf(conversation)
        # While a reply grows here, what is stored of it twice a second is no news.
        newest: object = leaf.id if leaf is not None and running else leaf
        seen = (replace(conversation, updated_at=0), newest, running, tab.everything)
        if tab.seen == seen:
            return {}
        tab.seen, tab.leaf = seen, conversation.active_leaf_id
        shown = look(self._store, conversation)
        parts, title = self._parts, conversation.title or "Untitled"
        update: Update = {
            parts.header: render.header(
                title, shown.persona.title, conversation=conversation.id, running=running, adherence=shown.adherence
            ),
            parts.gallery: gr.update(value="", visible=False),
            parts.messages: render.messages(shown, running=running, everything=tab.everything),
            parts.status: render.status(shown, desk.assistant.engine.window),
            parts.where: str(conversation.id),
            **self._settings(conversation.id, shown.persona, conversation.persistence),
        }
        if not running:
            update[parts.live] = ""
        return update

    def _settings(self, conversation: int | None, persona: Persona, persistence: str | None) -> Update:
        parts, names = self._parts, [(one.title, one.name) for one in self._desk.library.all()]
        if persona.name not in {name for _, name in names}:
            names.append((persona.title, persona.name))
        return {
            parts.persona: gr.update(choices=names, value=persona.name),
            parts.persistence: persistence or "persona",
            parts.exports: render.render("exports", conversation=conversation),
        }
