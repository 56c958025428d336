"""The application: routes, what surrounds them, its beginning and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from assistant import __version__
from assistant.errors import AssistantError
from assistant.http import chat, conversations, errors, models, moderations, probes, replies
from assistant.http.limits import BodyLimit, Limits
from assistant.http.logs import AccessLog, log
from assistant.http.serving import Serving
from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store

# How often replies are looked for whose process died.
SWEEP_SECONDS = 15.0


def create_app(
    assistants: Sequence[Assistant],
    library: PersonaLibrary,
    *,
    persona: str,
    limits: Limits | None = None,
    origins: Sequence[str] = (),
) -> FastAPI:
    """The API on assistants with one store and guard, and a model each; the first one's model is the default.

    They are closed at its end; `state.deadline` is until when their replies may run on.

    `persona` is who answers in a conversation that names nobody; web pages of `origins` may ask.
    """
    limits = limits or Limits()
    serving = Serving.of(assistants, library, persona=persona, limits=limits, origins=origins)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(serving.store))
        try:
            yield
        finally:
            sweeping.cancel()
            # All of them first: they may share one engine, and closing one would end the others' replies.
            running = [asyncio.create_task(turn.wait()) for assistant in assistants for turn in assistant.turns]
            if running:
                await asyncio.wait(running, timeout=max(0.0, app.state.deadline - time.monotonic()))
            for assistant in assistants:
                await assistant.close()
            await serving.settle()

    app = FastAPI(
        title="Steadfast",
        version=__version__,
        lifespan=life,
        # Their pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        responses={401: {"model": errors.ErrorBody}, 403: {"model": errors.ErrorBody}},
    )
    app.state.serving = serving
    app.state.deadline = 0.0
    errors.install(app)
    for part in (chat, models, moderations, conversations, replies, probes):
        app.include_router(part.router)
    app.add_middleware(BodyLimit, most=limits.body)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id"],
            expose_headers=["x-request-id"],
        )
    app.add_middleware(AccessLog, observe=serving.metrics.request)
    return app


async def _sweep(store: Store) -> None:
    """Mark the replies of processes that died, so that whoever follows one learns of its end."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await asyncio.to_thread(store.interrupt_dead)
        except AssistantError:
            log.warning("the database could not be looked through")
