"""Server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
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
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = _Sending(self._frames, send)
        pumping, gone = asyncio.create_task(sending.pump()), asyncio.create_task(departure(receive))
        try:
            while not (pumping.done() or gone.done()):
                await asyncio.wait((pumping, gone), timeout=sending.patience(), return_when=asyncio.FIRST_COMPLETED)
                await sending.break_silence()
        finally:
            for task in (pumping, gone):
                task.cancel()
            await asyncio.gather(pumping, gone, return_exceptions=True)
        if not pumping.cancelled():
            pumping.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Sending:
    """Frames on their way to one client. A task of its own for all of them: one for each costs more than the frame."""

    def __init__(self, frames: AsyncGenerator[bytes, None], send: Send) -> None:
        self._frames = frames
        self._send = send
        self._last = time.monotonic()

    async def pump(self) -> None:
        """Send every frame; closes their generator where it is cancelled."""
        async with aclosing(self._frames) as frames:
            async for body in frames:
                await self._body(body)

    def patience(self) -> float:
        """Seconds until the silence has lasted too long."""
        return max(0.0, self._last + SILENCE_SECONDS - time.monotonic())

    async def break_silence(self) -> None:
        """Send a comment if nothing was sent for long."""
        if not self.patience():
            await self._body(b": still here\n\n")

    async def _body(self, body: bytes) -> None:
        self._last = time.monotonic()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})


async def departure(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
