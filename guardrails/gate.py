"""What stands between a model's text and its reader.

The commit window: text is held until a verdict has seen the prompt, its history and all text up to it, and only then
shown. What is shown is always the beginning of what was judged. The first window is short, so that the first words
come soon; later ones grow. While a window is judged the model goes on writing, and the prompt is judged while it
writes the first. A reply that is not streamed is the same, read to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from guardrails.audit import Audit, AuditError
from guardrails.judge import Exchange, Judge, Stage, Verdict, asked
from guardrails.messages import Message
from guardrails.reading import Reading


@dataclass(frozen=True, slots=True)
class Withheld:
    """The gate's last word on a reply it stopped.

    `text` is what the model had written, shown or not: it is kept apart and sent to no model again. `shown` is how
    many characters of it had been shown.
    """

    verdict: Verdict
    text: str
    shown: int


Released = str | Verdict | Withheld


class Gate(Protocol):
    """Lets text through, verdict by verdict."""

    def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        """Read the model's text and yield what may be shown, in order, with the verdicts reached.

        After a `Withheld` nothing follows. The caller closes `text` when the gate is done, which stops the
        generation; the verdicts are stored with the reply. `conversation` is what the audit calls it by.
        """
        ...


class OpenGate:
    """Lets everything through unjudged."""

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        """See `Gate.release`."""
        async for piece in text:
            yield piece


class Windows(BaseModel):
    """How much text is judged at once, in tokens: `first`, then `growth` times more, to `largest`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(20, ge=1, le=1000)
    growth: float = Field(1.5, ge=1, le=10)
    largest: int = Field(64, ge=1, le=4000)

    def after(self, tokens: int) -> int:
        """The window that follows one of `tokens`."""
        return min(self.largest, max(tokens + 1, round(tokens * self.growth)))


WINDOWS = Windows()


class CommitWindow:
    """Shows nothing that all judges have not passed. A judge that fails, hangs or answers nonsense has not passed."""

    def __init__(
        self,
        judges: Sequence[Judge],
        *,
        windows: Windows = WINDOWS,
        seconds: float = 10.0,
        fail_open: bool = False,
        audit: Audit | None = None,
    ) -> None:
        """`judges` are asked in this order, up to the first that does not pass; each has so many `seconds`."""
        self._judges = judges
        self._windows = windows
        self._seconds = seconds
        self._fail_open = fail_open
        self._audit = audit

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        """See `Gate.release`."""
        async with Reading(text) as reading, aclosing(self.verdicts(prompt, reading, conversation)) as judged:
            shown = 0
            async for upto, verdict in judged:
                yield verdict
                if not verdict.passed:
                    yield Withheld(verdict, reading.text, shown)
                    return
                if upto > shown:
                    yield reading.text[shown:upto]
                    shown = upto
            reading.raise_error()

    async def verdicts(
        self, prompt: Sequence[Message], reading: Reading, conversation: str = ""
    ) -> AsyncGenerator[tuple[int, Verdict], None]:
        """Every verdict, with how many characters may be shown once it has passed.

        Only the last judge's verdict on a window releases it. Nothing follows a verdict that does not pass.
        """
        said = tuple(prompt)
        first = asyncio.create_task(self._ask(Exchange(said, ""), "prompt", conversation))
        try:
            window = self._windows.first
            judged = 0
            while True:
                await reading.until(judged, window)
                if judged == 0:
                    for verdict in await first:
                        yield 0, verdict
                        if not verdict.passed:
                            return
                upto, ended = len(reading.text), reading.ended
                if upto > judged:
                    stage: Stage = "final" if ended else "window"
                    exchange = Exchange(said, reading.text[:upto])
                    verdicts = await self._ask(exchange, stage, conversation)
                    for verdict in verdicts[:-1]:
                        yield judged, verdict
                    yield upto, verdicts[-1]
                    if not verdicts[-1].passed:
                        return
                    judged = upto
                    window = self._windows.after(window)
                if ended and upto == len(reading.text):
                    return
        finally:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    async def _ask(self, exchange: Exchange, stage: Stage, conversation: str) -> list[Verdict]:
        """The judges' verdicts, up to and with the first that does not pass, each on record before it counts."""
        verdicts = []
        for judge in self._judges:
            verdict = await asked(judge, exchange, stage, self._seconds, fail_open=self._fail_open)
            if self._audit is not None:
                try:
                    await asyncio.to_thread(self._audit.write, verdict, exchange, conversation)
                except AuditError:
                    verdict = replace(verdict, passed=self._fail_open, unavailable=True, reason="no audit log")
            verdicts.append(verdict)
            if not verdict.passed:
                break
        return verdicts
