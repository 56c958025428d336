"""What happens on the chat page. Every handler changes the store or a turn, and then shows what is there.

The page decides nothing: it shows the store. Where a reply is being written, the page follows it by `live`, so one that
was reloaded, or another tab, shows the same reply as it grows.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import gradio as gr

from assistant.errors import AssistantError
from ui.actions import Actions, Event, number
from ui.desk import Desk
from ui.listing import PAGE, Shelf
from ui.parts import Parts, Update, tell
from ui.screen import Screen
from ui.tab import Tab

# How soon a page shows what happened elsewhere, and how long it waits for that at a time.
TICK_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 10.0


class Chat:
    """The handlers of one page, for every tab that shows it."""

    def __init__(self, desk: Desk, screen: Screen, parts: Parts) -> None:
        self._desk = desk
        self._assistant = desk.assistant
        self._parts = parts
        self._screen = screen
        self._actions = Actions(desk, parts)

    async def load(self, request: gr.Request) -> Update:
        """The page was opened or reloaded: its address says which conversation it shows."""
        tab = await self._arrive(str(request.query_params.get("c", "")), request)
        tab.seen, tab.listed = None, ""
        chosen = str(request.query_params.get("persona", ""))
        if chosen and chosen in {persona.name for persona in await asyncio.to_thread(self._desk.library.all)}:
            tab.persona = chosen
        return await self._show(tab, request)

    async def tick(self, where: str, request: gr.Request) -> Update:
        """Something may have happened elsewhere: in another tab, at a terminal, or while this page was asleep.

        Looks until there is something, for a while. Gradio's page closes its stream whenever it waits for nothing, and
        where that meets a new event, it misses the answer until the next one: so it had better be waiting.
        """
        tab = await self._arrive(where, request)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            update = await self._show(tab, request)
            if len(update) > 1 or time.monotonic() > until:
                # A new value has the page ask again at once.
                return update | {self._parts.pulse: str(time.monotonic())}
            await asyncio.sleep(TICK_SECONDS)

    async def send(self, text: str, where: str, request: gr.Request) -> Update:
        """Say something: a new message, or what was meant instead of an old one."""
        tab = await self._arrive(where, request)
        said: Update = {}
        try:
            async with tab.saying:
                await self._say(tab, text, request)
        except AssistantError as error:
            tell(error)
        else:
            said = self._leave_edit(tab)
        # Nothing in the settings changes by it but the links to export by, which come with the reply's end.
        return said | await asyncio.to_thread(self._screen.shown, tab, request, settings=False)

    async def _say(self, tab: Tab, text: str, request: gr.Request) -> None:
        await asyncio.to_thread(self._refuse_second, tab)
        if tab.editing is not None:
            old = await asyncio.to_thread(self._desk.message, tab, tab.editing)
            await self._assistant.edit(old.id, text)
            return
        if text.strip() and tab.conversation is None:
            tab.conversation = await asyncio.to_thread(self._begin, tab, request)
            tab.leaf = None
        if tab.conversation is None:
            raise AssistantError("the message is empty: say something first")
        await self._assistant.send(tab.conversation, text, parent_id=tab.leaf)

    async def stop(self, where: str, request: gr.Request) -> Update:
        """End the running reply, whichever process writes it; what came of it stays."""
        tab = await self._arrive(where, request)
        turn = await asyncio.to_thread(self._desk.running, tab)
        if turn is not None:
            turn.stop()
            await turn.wait()
        else:
            await asyncio.to_thread(self._desk.end_reply_elsewhere, tab)
        return await self._show(tab, request)

    async def new(self, request: gr.Request) -> Update:
        """Leave the conversation for one that begins with the next message."""
        tab = self._desk.tab(request)
        tab.fresh = False
        # What is typed by now stays, unless it was to change an old message.
        left = self._leave_edit(tab) if tab.editing is not None else {}
        tab.leave(None)
        return left | await self._show(tab, request)

    async def cancel_edit(self, request: gr.Request) -> Update:
        """Leave the old message as it is."""
        return self._leave_edit(self._desk.tab(request))

    async def browse(self, search: str, shelf: Shelf, where: str, request: gr.Request) -> Update:
        """Show another part of the list of conversations."""
        tab = await self._arrive(where, request)
        if (search, shelf) != (tab.search, tab.shelf):
            tab.search, tab.shelf, tab.limit = search, shelf, PAGE
        return await self._show(tab, request)

    async def act(self, where: str, event: Event, request: gr.Request) -> Update:
        """A button in the list, the gallery or a message."""
        tab = await self._arrive(where, request)
        extra: Update = {}
        editing = tab.editing
        try:
            if event.get("act") == "retry":
                async with tab.saying:
                    await asyncio.to_thread(self._refuse_second, tab)
                    reply = await asyncio.to_thread(self._desk.message, tab, number(event, "id"))
                    await self._assistant.retry(reply.conversation_id, reply.id)
            else:
                extra = await asyncio.to_thread(self._act, tab, event, request)
        except AssistantError as error:
            tell(error)
        if editing is not None and tab.editing is None:  # its conversation was left
            extra = self._leave_edit(tab) | extra
        return extra | await self._show(tab, request)

    async def _arrive(self, where: str, request: gr.Request) -> Tab:
        return await asyncio.to_thread(self._desk.arrive, where, request)

    def _act(self, tab: Tab, event: Event, request: gr.Request) -> Update:
        return self._actions.act(tab, event, self._desk.user(request))

    def _begin(self, tab: Tab, request: gr.Request) -> int:
        return self._desk.begin(tab, self._desk.user(request)).id

    def _leave_edit(self, tab: Tab) -> Update:
        tab.editing = None
        return {self._parts.composer: "", self._parts.editing: gr.update(visible=False)}

    def _refuse_second(self, tab: Tab) -> None:
        if tab.conversation is None:
            return
        desk = self._desk
        if desk.is_growing(desk.leaf(desk.store.conversation(tab.conversation))):
            raise AssistantError("a reply is being written: wait for its end, or stop it")

    async def _show(self, tab: Tab, request: gr.Request) -> Update:
        return await asyncio.to_thread(self._screen.shown, tab, request)
