"""Reading a model's text ahead of its judges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self


class Reading:
    """The text that has come so far. A context manager: leaving it stops the reading.

    What the model writes while a window is judged waits here; a reply's length bounds it.
    """

    def __init__(self, source: AsyncIterator[str]) -> None:
        self._source = source
        self._ends: list[int] = []
        self._parts: list[str] = []
        self._text = ""
        self._error: BaseException | None = None
        self._came = asyncio.Event()
        self.ended = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        # The source must be at rest before its owner may close it.
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def text(self) -> str:
        """All that has come."""
        if self._parts:
            self._text += "".join(self._parts)
            self._parts.clear()
        return self._text

    async def until(self, start: int, tokens: int) -> None:
        """Wait for the end, or for `tokens` pieces that end after character `start`."""
        while not self.ended and (len(self._ends) < tokens or self._ends[-tokens] <= start):
            self._came.clear()
            await self._came.wait()

    async def beyond(self, start: int) -> None:
        """Wait for the end, or for any text after character `start`."""
        await self.until(start, 1)

    def raise_error(self) -> None:
        """Raise what the source failed with, if it did: what came before was still judged and shown."""
        if self._error is not None:
            raise self._error

    async def _read(self) -> None:
        try:
            async for piece in self._source:
                if piece:
                    self._parts.append(piece)
                    self._ends.append((self._ends[-1] if self._ends else 0) + len(piece))
                    self._came.set()
        except Exception as error:
            self._error = error
        self.ended = True
        self._came.set()
