"""Server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# A comment this often keeps proxies from taking a silent stream for dead.
SILENCE_SECONDS = 15.0
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def frame(data: dict[str, Any] | str, *, event: str | None = None, id: int | None = None) -> bytes:
    """One event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event is not None else "")
    return f"{head}data: {text}\n\n".encode("utf-8", "replace")


class EventStream(Response):
    """Sends frames as they come. When the client leaves, the frames' generator is closed where it stands."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(departure(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with aclosing(self._frames) as frames:
                await _pump(frames, gone, send)
        finally:
            gone.cancel()
        if not gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def departure(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pump(frames: AsyncGenerator[bytes, None], gone: asyncio.Task[None], send: Send) -> None:
    following: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            following = following or asyncio.create_task(anext(frames, None))
            await asyncio.wait((following, gone), timeout=SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            body: bytes | None = b": still here\n\n"
            if following.done():
                body, following = following.result(), None
            if body is None:
                return
            await send({"type": "http.response.body", "body": body, "more_body": True})
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
