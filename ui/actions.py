"""The buttons inside our HTML that need no model: those of the list, of the gallery and of a message."""

from __future__ import annotations

import gradio as gr

from assistant.errors import AssistantError
from assistant.store.records import Conversation
from assistant.store.store import Store
from ui.desk import Desk
from ui.listing import PAGE
from ui.parts import Parts, Update
from ui.tab import Tab

# What a button says of itself: its `act`, and what belongs to it.
Event = dict[str, str]


class Actions:
    """What each button changes in the store, or in what its tab shows."""

    def __init__(self, desk: Desk, parts: Parts) -> None:
        self._desk = desk
        self._store = desk.store
        self._parts = parts

    def act(self, tab: Tab, event: Event, user: int | None) -> Update:
        """Do what the button says. The ids come from the page, so whose they are is looked up.

        Raises:
            AssistantError: it cannot be done, or is not theirs to do.
        """
        desk, store, act = self._desk, self._store, event.get("act", "")
        match act:
            case "choose":
                tab.persona = desk.library.get(event.get("name", "")).name
            case "more":
                tab.limit += PAGE
            case "earlier":
                tab.everything, tab.seen = True, None
            case "filter":
                return {self._parts.search: f"#{event.get('tag', '')}"}
            case "edit":
                message = desk.message(tab, number(event, "id"))
                tab.editing = message.id
                return {self._parts.composer: message.content, self._parts.editing: gr.update(visible=True)}
            case "branch":
                chosen = desk.message(tab, number(event, "id"))
                store.set_active_leaf(chosen.conversation_id, store.leaf_below(chosen.id).id)
            case "rate":
                rated = desk.message(tab, number(event, "id"))
                store.add_feedback(rated.id, number(event, "rating"), event.get("comment", ""))
            case "ended":
                # The reply that the page shows as growing. Answers to two events at once may have come in the other
                # order, so what the page shows may be older than what it was sent last: all is sent again.
                tab.seen = None
            case _:
                conversation = desk.owned(number(event, "id"), user)
                self._sort(tab, conversation, act, event)
        return {}

    def _sort(self, tab: Tab, conversation: Conversation, act: str, event: Event) -> None:
        """What can be done with a conversation in the list."""
        store, id = self._store, conversation.id
        match act:
            case "open":
                tab.leave(id)
                if event.get("message"):
                    tab.everything = True
                    self._lead_to(conversation, self._desk.message(tab, number(event, "message")).id)
            case "rename":
                store.set_title(id, event.get("title", ""))
            case "tag":
                _set_tags(store, id, event.get("tags", ""))
            case "pin":
                store.set_pinned(id, not conversation.pinned)
            case "archive":
                store.set_archived(id, not conversation.archived)
            case "trash":
                store.trash(id)
                tab.undo = id
                if tab.conversation == id:
                    tab.leave(None)
            case "restore":
                store.restore(id)
                tab.undo = None
            case "erase":
                store.delete(id)
                if tab.conversation == id:
                    tab.leave(None)

    def _lead_to(self, conversation: Conversation, message: int) -> None:
        """Make a branch with this message the active one, unless it is."""
        leaf = conversation.active_leaf_id
        if leaf is None or message not in {said.id for said in self._store.branch(leaf)}:
            self._store.set_active_leaf(conversation.id, self._store.leaf_below(message).id)


def number(event: Event, key: str) -> int:
    """What the button says under `key`, as a number. Raises AssistantError."""
    try:
        return int(event.get(key, ""))
    except ValueError:
        raise AssistantError("the page sent something that this version does not know: reload it") from None


def _set_tags(store: Store, id: int, typed: str) -> None:
    wanted = [tag.strip() for tag in typed.split(",") if tag.strip()]
    for tag in store.tags(id):
        if tag not in wanted:
            store.remove_tag(id, tag)
    for tag in wanted:
        store.add_tag(id, tag)
