"""What a tab shows: the store's present state, as changes to the page's components."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from assistant.errors import AssistantError
from assistant.store.errors import NotFoundError
from assistant.store.records import Conversation
from ui import render
from ui.desk import Desk
from ui.listing import listing
from ui.panel import panel_changes
from ui.parts import Parts, Update, tell
from ui.tab import Tab
from ui.view import look


class Screen:
    """Draws what is there. It changes nothing but what a tab knows of itself."""

    def __init__(self, desk: Desk, parts: Parts) -> None:
        self._desk = desk
        self._store = desk.store
        self._parts = parts

    def shown(self, tab: Tab, request: gr.Request, *, settings: bool = True) -> Update:
        """As `changes`, for whoever asks. Where the store cannot be read, that is told and nothing changes."""
        try:
            return self.changes(tab, self._desk.user(request), settings=settings)
        except AssistantError as error:
            tell(error)
            return {self._parts.where: gr.skip()}

    def changes(self, tab: Tab, user: int | None, *, settings: bool = True) -> Update:
        """What the page does not show yet; never empty, which Gradio would take for a value."""
        with tab.looking:
            return self._changes(tab, user, settings)

    def _changes(self, tab: Tab, user: int | None, settings: bool) -> Update:
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
        conversation = self._open(tab, user)
        if conversation is None:
            update |= self._new_conversation(tab)
        else:
            update |= self._conversation(tab, conversation)
        if settings:
            update |= panel_changes(self._desk, parts.panel, tab, self._desk.persona(tab))
        return update

    def _open(self, tab: Tab, user: int | None) -> Conversation | None:
        """The open conversation, which may have been erased elsewhere."""
        if tab.conversation is None:
            return None
        try:
            return self._desk.owned(tab.conversation, user)
        except NotFoundError:
            tab.leave(None)
            return None

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
        }

    def _conversation(self, tab: Tab, conversation: Conversation) -> Update:
        desk = self._desk
        growing = desk.is_growing(desk.leaf(conversation))
        # Read again: looking may have marked a dead process's reply as interrupted.
        leaf = desk.leaf(conversation)
        here = leaf is not None and desk.assistant.running(leaf.id) is not None
        # While a reply grows here, what is stored of it twice a second is no news.
        newest: object = leaf.id if leaf is not None and here else leaf
        said = replace(conversation, updated_at=0, sampling=None, guard=None)
        seen = (said, newest, here, tab.everything, self._store.newest_feedback(conversation.id))
        if tab.seen == seen:
            return {}
        tab.seen, tab.leaf = seen, conversation.active_leaf_id
        shown = look(self._store, conversation)
        parts, title = self._parts, conversation.title or "Untitled"
        update: Update = {
            parts.header: render.header(
                title, shown.persona.title, conversation=conversation.id, running=growing, adherence=shown.adherence
            ),
            parts.gallery: gr.update(value="", visible=False),
            parts.messages: render.messages(shown, running=here, everything=tab.everything),
            parts.status: render.status(shown, desk.assistant.engine.window),
            parts.where: str(conversation.id),
        }
        update[parts.live] = render.live(shown.persona.title, leaf.id) if here and leaf is not None else ""
        return update
