"""What the routes share: the assistant, and what stands between it and the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from fastapi import Request

from assistant.events import Failed
from assistant.http.access import Doorkeeper
from assistant.http.errors import ApiError
from assistant.http.limits import Limits, Rates, Slots
from assistant.http.logs import log
from assistant.http.metrics import Metrics
from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from assistant.turn import Turn

LONGEST_KEY = 200
# Texts that are only scored. More at once would stand before the chats' own in the judges' line, where seconds count.
SCORED_AT_ONCE = 4

# Starts a turn, given those of the same request that were started before it.
Start = Callable[[Sequence[Turn]], Awaitable[Turn]]


@dataclass(slots=True)
class Serving:
    """One process of `assistant serve`. The assistants share a store and a guard; each has a model."""

    assistants: Sequence[Assistant]
    library: PersonaLibrary
    persona: str
    door: Doorkeeper
    rates: Rates
    slots: Slots
    metrics: Metrics
    started: int = field(default_factory=lambda: int(time.time()))
    scoring: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SCORED_AT_ONCE))
    _following: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        assistants: Sequence[Assistant],
        library: PersonaLibrary,
        *,
        persona: str,
        limits: Limits,
        origins: Sequence[str],
    ) -> Self:
        """What serves the assistants within these limits, to web pages of these `origins` too.

        `persona` is who answers in a conversation that names nobody.
        """
        slots = Slots(limits.running, limits.waiting)
        door = Doorkeeper(assistants[0].store, origins=origins)
        return cls(assistants, library, persona, door, Rates(limits.rate), slots, Metrics(assistants, slots))

    @property
    def assistant(self) -> Assistant:
        """The one that answers where no model is named."""
        return self.assistants[0]

    @property
    def store(self) -> Store:
        """Of all of them."""
        return self.assistant.store

    def running(self, reply_id: int) -> Turn | None:
        """The turn that is making this reply now, in this process."""
        return next(filter(None, (assistant.running(reply_id) for assistant in self.assistants)), None)

    async def answering(self, conversation_id: int) -> Assistant:
        """The one whose model a stored conversation was last with, or else the default. Raises NotFoundError."""
        model = (await asyncio.to_thread(self.store.conversation, conversation_id)).model
        found = [assistant for assistant in self.assistants if assistant.engine.model == model]
        return (found or self.assistants)[0]

    async def begin(self, request: Request, *starts: Start) -> list[Turn]:
        """Start the turns of one request, one after the other, once there is a place for them.

        They are counted and logged when they have ended.
        """
        await self.slots.take()
        turns: list[Turn] = []
        try:
            for start in starts:
                turns.append(await start(turns))
        except BaseException:
            for turn in turns:
                turn.stop()
            raise
        finally:
            following = asyncio.create_task(self._follow(request.state.request_id, turns))
            self._following.add(following)
            following.add_done_callback(self._following.discard)
        return turns

    async def settle(self) -> None:
        """Wait until every turn that has ended is counted."""
        await asyncio.gather(*self._following)

    async def _follow(self, request_id: str, turns: list[Turn]) -> None:
        try:
            for turn in turns:
                ended = await self.metrics.follow(turn)
                fields = {"request": request_id, "conversation": turn.name, "reply": turn.reply_id}
                if isinstance(ended, Failed):
                    # Why stands in the store and in the client's answer: a foreign error may quote what was said.
                    log.warning("reply", extra={"fields": {**fields, "status": "failed", "refused": ended.refused}})
                    continue
                fields |= {
                    "status": ended.status,
                    "prompt_tokens": ended.prompt_tokens,
                    "completion_tokens": ended.completion_tokens,
                    "cached_tokens": ended.cached_tokens,
                    "ttft_ms": ended.ttft_ms or 0,
                    "ms": ended.duration_ms,
                }
                log.info("reply", extra={"fields": fields})
        finally:
            self.slots.give()


async def current(request: Request) -> Serving:
    """The dependency that gives it to a route. Asynchronous, as FastAPI gives plain functions to a thread."""
    serving: Serving = request.app.state.serving
    return serving


def request_key(request: Request) -> str | None:
    """What the client calls its request, so that sending it again says nothing twice. Raises ApiError."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise ApiError(400, f"an Idempotency-Key has 1 to {LONGEST_KEY} characters", param="Idempotency-Key")
    return key
