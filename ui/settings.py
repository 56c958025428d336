"""What happens when something is chosen in the settings. It is kept with the conversation, and goes on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import gradio as gr
from pydantic import ValidationError

from assistant.errors import AssistantError
from assistant.personas.persona import Persistence
from assistant.sampling import Sampling
from assistant.store.records import Stricter
from guardrails.errors import first_mistake
from ui.desk import Desk
from ui.panel import panel_state
from ui.parts import Update, tell
from ui.screen import Screen
from ui.tab import Tab


class Settings:
    """The handlers. What is chosen before a conversation begins waits in its tab."""

    def __init__(self, desk: Desk, screen: Screen) -> None:
        self._desk = desk
        self._store = desk.store
        self._screen = screen

    async def choose_persona(self, name: str, where: str, request: gr.Request) -> Update:
        """Somebody else answers from now on."""

        def choose(tab: Tab) -> None:
            persona = self._desk.library.get(name)
            if tab.conversation is None:
                tab.persona = persona.name
            else:
                self._store.set_persona(tab.conversation, self._store.save_persona(persona).id)

        return await self._chosen(choose, where, request)

    async def choose_persistence(self, mode: str, where: str, request: gr.Request) -> Update:
        """How the instruction is kept before the model."""

        def choose(tab: Tab) -> None:
            chosen: Persistence | None = "remind" if mode == "remind" else "pin" if mode == "pin" else None
            if tab.conversation is None:
                tab.choices = replace(tab.choices, persistence=chosen)
            else:
                self._store.set_persistence(tab.conversation, chosen)

        return await self._chosen(choose, where, request)

    async def choose_guard(self, mode: str, where: str, request: gr.Request) -> Update:
        """Whether replies are checked more strictly than the server says."""

        def choose(tab: Tab) -> None:
            chosen: Stricter | None = "strict" if mode == "strict" else None
            if tab.conversation is None:
                tab.choices = replace(tab.choices, guard=chosen)
            else:
                self._store.set_guard(tab.conversation, chosen)

        return await self._chosen(choose, where, request)

    async def choose_sampling(
        self,
        own: bool,
        temperature: float,
        top_p: float,
        max_tokens: float,
        seed: float | None,
        where: str,
        request: gr.Request,
    ) -> Update:
        """How replies are drawn from now on: as these say, or with `own` unset as the persona does."""

        def choose(tab: Tab) -> None:
            persona, chosen = self._desk.persona(tab), None
            if own:
                given = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed}
                chosen = _sampling(persona.sampling.model_dump() | given)
            was_own = self._desk.choices(tab).sampling is not None
            if tab.conversation is None:
                tab.choices = replace(tab.choices, sampling=chosen)
            else:
                self._store.set_sampling(tab.conversation, chosen)
            if own and was_own:
                # They show it already, and may have moved on by now.
                tab.settings = panel_state(self._desk, tab, persona)

        return await self._chosen(choose, where, request)

    async def _chosen(self, choose: Callable[[Tab], None], where: str, request: gr.Request) -> Update:
        tab = await asyncio.to_thread(self._desk.arrive, where, request)
        try:
            await asyncio.to_thread(choose, tab)
        except AssistantError as error:
            tell(error)
        return await asyncio.to_thread(self._screen.shown, tab, request)


def _sampling(values: dict[str, object]) -> Sampling:
    try:
        return Sampling.model_validate(values)
    except ValidationError as error:
        raise AssistantError(f"the settings: {first_mistake(error, 'sampling')}") from None
