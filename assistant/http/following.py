"""A reply's events, from the process that makes it or, in any other, from the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from assistant.events import Event, Failed, Finished
from assistant.http.server_sent import frame
from assistant.store.records import StoredMessage
from assistant.store.store import Store
from assistant.turn import Turn

# How often another process's reply is looked at; it is written twice a second.
LOOK_SECONDS = 0.25


async def live(turn: Turn, after: int = 0) -> AsyncGenerator[bytes, None]:
    """The events of a turn of this process from number `after` on, each with its number plus one: where to resume."""
    number = after
    async with aclosing(turn.events(after)) as events:
        async for event in events:
            number += 1
            yield _frame(event, number)


async def stored(store: Store, reply: StoredMessage) -> AsyncGenerator[bytes, None]:
    """A reply of another process, or one that has ended: first a snapshot of all its text, then what is added.

    A snapshot replaces whatever the client has. A later one comes where the text did not simply grow, as when the
    guard put a refusal in its place.
    """
    yield _snapshot(reply)
    while reply.status == "streaming":
        await asyncio.sleep(LOOK_SECONDS)
        shown, reply = reply.content, await asyncio.to_thread(store.message, reply.id)
        if not reply.content.startswith(shown):
            yield _snapshot(reply)
        elif reply.content != shown:
            yield frame({"text": reply.content[len(shown) :]}, event="text")
    yield _frame(_end(reply), None)


def _snapshot(reply: StoredMessage) -> bytes:
    data: dict[str, Any] = {
        "conversation_id": reply.conversation_id,
        "user_message_id": reply.parent_id,
        "reply_id": reply.id,
        "model": reply.model,
        "text": reply.content,
    }
    return frame(data, event="snapshot")


def _end(reply: StoredMessage) -> Finished | Failed:
    if reply.status == "failed":
        return Failed(reply.id, reply.error or "the reply failed")
    return Finished(
        reply.id,
        reply.status,
        reply.finish_reason,
        reply.prompt_tokens,
        reply.completion_tokens,
        reply.cached_tokens,
        reply.ttft_ms,
        reply.duration_ms or 0,
    )


def _frame(event: Event, number: int | None) -> bytes:
    return frame(asdict(event), event=type(event).__name__.lower(), id=number)
