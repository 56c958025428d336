"""What happens on the chat page. Every handler changes the store or a turn, and then shows what is there.

The page decides nothing: it shows the store, and what `assistant.service` is making. A handler that finds a running
reply follows it, so a page that was reloaded, or another tab, shows the same reply as it grows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.errors import NotFoundError
from assistant.store.records import Conversation, StoredMessage
from assistant.turn import Turn
from ui import render
from ui.follow import follow
from ui.listing import PAGE, Shelf, listing
from ui.parts import Parts
from ui.tab import Tab
from ui.view import look

Update = dict[Any, Any]


class Chat:
    """The handlers of one page, for every tab that shows it."""

    def __init__(self, assistant: Assistant, library: PersonaLibrary, persona: str, parts: Parts) -> None:
        """`persona` answers in a new conversation until another one is chosen."""
        self._assistant = assistant
        self._store = assistant.store
        self._library = library
        self._persona = persona
        self._parts = parts

    async def load(self, tab: Tab, request: gr.Request) -> AsyncIterator[Update]:
        """The page was opened or reloaded: its address says which conversation it shows."""
        tab.seen, tab.listed = None, ""
        self._arrive(tab, str(request.query_params.get("c", "")), request)
        chosen = str(request.query_params.get("persona", ""))
        if chosen in {persona.name for persona in self._library.all()}:
            tab.persona = chosen
        async for update in self._show(tab, request):
            yield update

    async def tick(self, tab: Tab, where: str, request: gr.Request) -> AsyncIterator[Update]:
        """Something may have happened elsewhere: in another tab, at a terminal, or while this page was asleep."""
        self._arrive(tab, where, request)
        async for update in self._show(tab, request):
            yield update

    async def send(
        self, text: str, tab: Tab, where: str, sampling: Sampling | None, request: gr.Request
    ) -> AsyncIterator[Update]:
        """Say something: a new message, or what was meant instead of an old one."""
        self._arrive(tab, where, request)
        try:
            if self._running(tab) is not None:
                raise AssistantError("a reply is being written: wait for its end, or stop it")
            if tab.editing is not None:
                old = await asyncio.to_thread(self._message, tab, tab.editing)
                await self._assistant.edit(old.id, text, sampling=sampling)
            elif text.strip() and tab.conversation is None:
                tab.conversation = (await asyncio.to_thread(self._begin, tab, request)).id
                tab.leaf = None
            if tab.editing is None:
                if tab.conversation is None:
                    raise AssistantError("the message is empty: say something first")
                await self._assistant.send(tab.conversation, text, parent_id=tab.leaf, sampling=sampling)
        except AssistantError as error:
            _tell(error)
        else:
            tab.editing = None
            yield {self._parts.composer: "", self._parts.editing: gr.update(visible=False)}
        async for update in self._show(tab, request):
            yield update

    async def stop(self, tab: Tab, where: str, request: gr.Request) -> AsyncIterator[Update]:
        """End the running reply; what came of it stays."""
        self._arrive(tab, where, request)
        turn = self._running(tab)
        if turn is not None:
            turn.stop()
            await turn.wait()
        async for update in self._show(tab, request):
            yield update

    async def new(self, tab: Tab, request: gr.Request) -> AsyncIterator[Update]:
        """Leave the conversation for one that begins with the next message."""
        tab.fresh = False
        if tab.editing is not None:  # else what is typed by now stays
            yield {self._parts.composer: "", self._parts.editing: gr.update(visible=False)}
        _leave(tab, None)
        async for update in self._show(tab, request):
            yield update

    async def cancel_edit(self, tab: Tab) -> Update:
        """Leave the old message as it is."""
        tab.editing = None
        return {self._parts.composer: "", self._parts.editing: gr.update(visible=False)}

    async def browse(self, search: str, shelf: Shelf, tab: Tab, where: str, request: gr.Request) -> Update:
        """Show another part of the list of conversations."""
        self._arrive(tab, where, request)
        if (search, shelf) != (tab.search, tab.shelf):
            tab.search, tab.shelf, tab.limit = search, shelf, PAGE
        return await asyncio.to_thread(self._changes, tab, self.user(request))

    async def act(
        self, tab: Tab, where: str, sampling: Sampling | None, event: dict[str, str], request: gr.Request
    ) -> AsyncIterator[Update]:
        """A button in the list, the gallery or a message."""
        self._arrive(tab, where, request)
        extra: Update = {}
        try:
            if event.get("act") == "retry":
                if self._running(tab) is not None:
                    raise AssistantError("a reply is being written: wait for its end, or stop it")
                reply = await asyncio.to_thread(self._message, tab, _number(event, "id"))
                await self._assistant.retry(reply.conversation_id, reply.id, sampling=sampling)
            else:
                extra = await asyncio.to_thread(self._act, tab, event, self.user(request))
        except AssistantError as error:
            _tell(error)
        if extra:
            yield extra
        async for update in self._show(tab, request):
            yield update

    def _act(self, tab: Tab, event: dict[str, str], user: int | None) -> Update:
        """What needs no model. The ids come from the page, so whose they are is looked up."""
        store, act = self._store, event.get("act", "")
        match act:
            case "choose":
                tab.persona = self._library.get(event.get("name", "")).name
            case "more":
                tab.limit += PAGE
            case "earlier":
                tab.everything, tab.seen = True, None
            case "edit":
                message = self._message(tab, _number(event, "id"))
                tab.editing = message.id
                return {self._parts.composer: message.content, self._parts.editing: gr.update(visible=True)}
            case "branch":
                chosen = self._message(tab, _number(event, "id"))
                store.set_active_leaf(chosen.conversation_id, store.leaf_below(chosen.id).id)
            case "rate":
                rated = self._message(tab, _number(event, "id"))
                store.add_feedback(rated.id, _number(event, "rating"), event.get("comment", ""))
                tab.seen = None
            case _:
                conversation = self._owned(_number(event, "id"), user)
                self._sort(tab, conversation, act, event)
                if act == "open":
                    return {self._parts.editing: gr.update(visible=False)}
        return {}

    def _sort(self, tab: Tab, conversation: Conversation, act: str, event: dict[str, str]) -> None:
        """What can be done with a conversation in the list."""
        store, id = self._store, conversation.id
        match act:
            case "open":
                _leave(tab, id)
                if event.get("message"):
                    tab.everything = True
                    found = self._message(tab, _number(event, "message"))
                    on_branch = conversation.active_leaf_id is not None and found.id in {
                        message.id for message in store.branch(conversation.active_leaf_id)
                    }
                    if not on_branch:
                        store.set_active_leaf(id, store.leaf_below(found.id).id)
            case "rename":
                store.set_title(id, event.get("title", ""))
            case "tag":
                self._set_tags(id, event.get("tags", ""))
            case "pin":
                store.set_pinned(id, not conversation.pinned)
            case "archive":
                store.set_archived(id, not conversation.archived)
            case "trash":
                store.trash(id)
                tab.undo = id
                if tab.conversation == id:
                    _leave(tab, None)
            case "restore":
                store.restore(id)
                tab.undo = None
            case "erase":
                store.delete(id)
                if tab.conversation == id:
                    _leave(tab, None)

    def _set_tags(self, id: int, typed: str) -> None:
        wanted = [tag.strip() for tag in typed.split(",") if tag.strip()]
        for tag in self._store.tags(id):
            if tag not in wanted:
                self._store.remove_tag(id, tag)
        for tag in wanted:
            self._store.add_tag(id, tag)

    async def choose_persona(self, name: str, tab: Tab, where: str, request: gr.Request) -> Update:
        """Somebody else answers from now on."""
        self._arrive(tab, where, request)

        def choose() -> None:
            persona = self._library.get(name)
            if tab.conversation is None:
                tab.persona = persona.name
            else:
                self._store.set_persona(tab.conversation, self._store.save_persona(persona).id)

        return await self._setting(choose, tab, request)

    async def choose_persistence(self, mode: str, tab: Tab, where: str, request: gr.Request) -> Update:
        """How the instruction is kept before the model."""
        self._arrive(tab, where, request)

        def choose() -> None:
            tab.persistence = "remind" if mode == "remind" else "pin" if mode == "pin" else None
            if tab.conversation is not None:
                self._store.set_persistence(tab.conversation, tab.persistence)

        return await self._setting(choose, tab, request)

    async def _setting(self, change: Any, tab: Tab, request: gr.Request) -> Update:
        try:
            await asyncio.to_thread(change)
        except AssistantError as error:
            _tell(error)
        return await asyncio.to_thread(self._changes, tab, self.user(request))

    def persona(self, tab: Tab) -> Persona:
        """Who answers in this tab."""
        if tab.conversation is not None:
            conversation = self._store.conversation(tab.conversation)
            return self._store.persona_version(conversation.persona_version_id).persona
        try:
            return self._library.get(tab.persona or self._persona)
        except AssistantError:
            return self._library.all()[0]

    def _arrive(self, tab: Tab, where: str, request: gr.Request) -> None:
        """A tab that this server has not seen yet says itself where it is."""
        if not tab.fresh:
            return
        tab.fresh = False
        if where.isdecimal():
            try:
                tab.conversation = self._owned(int(where), self.user(request)).id
            except (NotFoundError, OverflowError):
                tab.conversation = None

    async def _show(self, tab: Tab, request: gr.Request) -> AsyncIterator[Update]:
        """Show what is there, and follow the reply that is being written in the open conversation."""
        user, parts = self.user(request), self._parts
        # Always: a handler that ends without an update would empty the page.
        yield await asyncio.to_thread(self._changes, tab, user)
        turn, conversation = self._running(tab), tab.conversation
        if turn is None or tab.following == turn.reply_id:
            return
        tab.following = turn.reply_id
        speaker = (await asyncio.to_thread(self.persona, tab)).title

        def wanted() -> bool:
            return tab.conversation == conversation and tab.following == turn.reply_id

        try:
            async with aclosing(follow(turn, wanted)) as progress:  # type: ignore[type-var]
                async for now in progress:
                    yield {parts.live: render.live(speaker, now)}
            if not wanted():
                return
            await turn.wait()
        finally:
            if tab.following == turn.reply_id:
                tab.following = None
        yield await asyncio.to_thread(self._changes, tab, user)

    def _changes(self, tab: Tab, user: int | None) -> Update:
        """What the page does not show yet; never empty, which Gradio would take for a value."""
        parts = self._parts
        update: Update = {parts.where: gr.skip()}
        undo = self._deleted(tab)
        listed = listing(
            self._store,
            user=user,
            shelf=tab.shelf,
            search=tab.search,
            open_id=tab.conversation,
            undo=undo,
            limit=tab.limit,
        )
        if listed != tab.listed:
            tab.listed = listed
            update[parts.conversations] = listed
        if tab.conversation is None:
            return update | self._new_conversation(tab)
        try:
            conversation = self._owned(tab.conversation, user)
        except NotFoundError:
            _leave(tab, None)
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
        persona, personas = self.persona(tab), self._library.all()
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
        leaf = self._leaf(conversation)
        running = leaf is not None and self._assistant.running(leaf.id) is not None
        if leaf is not None and leaf.status == "streaming" and not running and self._store.interrupt_dead():
            leaf = self._leaf(conversation)
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
            parts.status: render.status(shown, self._assistant.engine.window),
            parts.where: str(conversation.id),
            **self._settings(conversation.id, shown.persona, conversation.persistence),
        }
        if not running:
            update[parts.live] = ""
        return update

    def _settings(self, conversation: int | None, persona: Persona, persistence: str | None) -> Update:
        parts, names = self._parts, [(one.title, one.name) for one in self._library.all()]
        if persona.name not in {name for _, name in names}:
            names.append((persona.title, persona.name))
        return {
            parts.persona: gr.update(choices=names, value=persona.name),
            parts.persistence: persistence or "persona",
            parts.exports: render.render("exports", conversation=conversation),
        }

    def _begin(self, tab: Tab, request: gr.Request) -> Conversation:
        version = self._store.save_persona(self.persona(tab))
        conversation = self._store.create_conversation(version.id, user_id=self.user(request))
        if tab.persistence is not None:
            self._store.set_persistence(conversation.id, tab.persistence)
        return conversation

    def _running(self, tab: Tab) -> Turn | None:
        """The reply that this process is writing in the open conversation."""
        if tab.conversation is None:
            return None
        leaf = self._store.conversation(tab.conversation).active_leaf_id
        return None if leaf is None else self._assistant.running(leaf)

    def _leaf(self, conversation: Conversation) -> StoredMessage | None:
        return None if conversation.active_leaf_id is None else self._store.message(conversation.active_leaf_id)

    def _message(self, tab: Tab, id: int) -> StoredMessage:
        """A message of the open conversation, which is this person's."""
        message = self._store.message(id)
        if message.conversation_id != tab.conversation:
            raise AssistantError(f"message {id} is not in this conversation")
        return message

    def _owned(self, id: int, user: int | None) -> Conversation:
        """Raises NotFoundError for somebody else's conversation, too: that it exists is not told."""
        conversation = self._store.conversation(id)
        if user is not None and conversation.user_id != user:
            raise NotFoundError(f"There is no conversation {id}.")
        return conversation

    def user(self, request: gr.Request) -> int | None:
        """Who is logged in, None where nobody has to."""
        return None if request.username is None else self._store.user(request.username).id


def _leave(tab: Tab, conversation: int | None) -> None:
    tab.conversation, tab.seen, tab.leaf = conversation, None, None
    tab.editing, tab.everything = None, False


def _number(event: dict[str, str], key: str) -> int:
    try:
        return int(event.get(key, ""))
    except ValueError:
        raise AssistantError("the page sent something that this version does not know: reload it") from None


def _tell(error: AssistantError) -> None:
    """Shows an error. Gradio takes its text for HTML."""
    gr.Warning(escape(str(error)), title="That did not work")
