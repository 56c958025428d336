"""The reply that is being written, sent to a page as it grows.

Not by Gradio's events, each of which goes through all the components that it might change: with twenty people that
alone fills a processor.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from starlette.responses import PlainTextResponse, Response

from assistant.http.server_sent import EventStream, frame
from assistant.service import Assistant
from assistant.store.errors import NotFoundError
from assistant.turn import Turn
from ui import render
from ui.desk import owned
from ui.follow import follow

# How long nothing is drawn after something was: more often no one sees. And in times of what drawing took: that of a
# long text must not take the time of those who wait for theirs.
_SECONDS: Final = 0.05
_REST: Final = 3


async def live(assistant: Assistant, reply: int, user: int | None) -> Response:
    """The growing reply as server-sent events: its HTML, as a JSON string, some times a second, then `end`.

    A reply that this process does not write, or no longer, has its end at once: the page then shows what is stored.
    """
    turn = assistant.running(reply)
    speaker = await asyncio.to_thread(_speaker, assistant, reply, user)
    if speaker is None:
        return PlainTextResponse("There is no such reply.", 404)
    return EventStream(_frames(turn, speaker))


async def _frames(turn: Turn | None, speaker: str) -> AsyncGenerator[bytes, None]:
    if turn is not None:
        async with aclosing(follow(turn)) as progress:
            async for now in progress:
                started = time.monotonic()
                drawn = await asyncio.to_thread(render.growing, speaker, now)
                yield frame(json.dumps(drawn))
                if now.text:  # the first words wait for nothing
                    await asyncio.sleep(max(_SECONDS, _REST * (time.monotonic() - started)))
        await turn.wait()
    yield frame("", event="end")


def _speaker(assistant: Assistant, reply: int, user: int | None) -> str | None:
    """Who writes it; None where it is none of this user's."""
    store = assistant.store
    try:
        conversation = owned(store, store.message(reply).conversation_id, user)
        return store.persona_version(conversation.persona_version_id).persona.title
    except (NotFoundError, OverflowError):  # a number that no database has room for
        return None
