"""A running reply, as a page follows it: what is shown of it so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from assistant.events import Blocked, Event, Notice, Retracted, Text
from assistant.turn import Turn


@dataclass(slots=True)
class Progress:
    """A reply so far."""

    reply_id: int
    text: str = ""
    blocked: bool = False
    notices: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """What the event changes."""
        match event:
            case Text():
                self.text += event.text
            case Retracted():
                self.text = ""
            case Blocked():
                self.text, self.blocked = event.text, True
            case Notice():
                self.notices.append(event.text)
            case _:
                pass


async def follow(turn: Turn) -> AsyncGenerator[Progress, None]:
    """The reply's progress, from its beginning to its end, as often as it is asked for and there is more of it."""
    progress, changed = Progress(turn.reply_id), asyncio.Event()

    async def read() -> None:
        try:
            async for event in turn.events():
                progress.take(event)
                changed.set()
        finally:
            changed.set()

    reading = asyncio.create_task(read())
    try:
        while True:
            await changed.wait()
            changed.clear()
            ended = reading.done()
            yield progress
            if ended:
                return
    finally:
        reading.cancel()
