"""What stands between a model's text and its reader.

The commit window: text is held until a verdict has seen the prompt, its history and all text up to it, and only then
shown. What is shown is always the beginning of what was judged. The first window is short, so that the first words
come soon; later ones grow. While a window is judged the model goes on writing, and the prompt is judged while it
writes the first. A reply that is not streamed is the same, read to its end.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from guardrails.audit import Audit, recorded
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

    first: int = Field(16, ge=1, le=1000)
    growth: float = Field(1.5, ge=1, le=10)
    largest: int = Field(64, ge=1, le=4000)

    def after(self, tokens: int) -> int:
        """The window that follows one of `tokens`."""
        return min(self.largest, math.ceil(tokens * self.growth))

    @model_validator(mode="after")
    def _grow(self) -> Self:
        if self.largest < self.first:
            raise ValueError("the largest window cannot be smaller than the first")
        return self


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
        if not judges:
            raise ValueError("a gate without judges would judge nothing")
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
        # The model writes on meanwhile; a prompt that does not pass must not wait for what it writes.
        for verdict in await self._ask(Exchange(said, ""), "prompt", conversation):
            yield 0, verdict
            if not verdict.passed:
                return
        window, judged = self._windows.first, 0
        stage: Stage | None = None
        while True:
            await reading.until(judged, window)
            upto, ended = len(reading.text), reading.ended
            # A text that ends with a window is judged once more, as a whole.
            if upto > judged or (ended and stage == "window"):
                stage = "final" if ended else "window"
                verdicts = await self._ask(Exchange(said, reading.text[:upto]), stage, conversation)
                for verdict in verdicts[:-1]:
                    yield judged, verdict
                yield upto, verdicts[-1]
                if not verdicts[-1].passed:
                    return
                judged = upto
                window = self._windows.after(window)
            if ended and upto == len(reading.text):
                return

    async def _ask(self, exchange: Exchange, stage: Stage, conversation: str) -> list[Verdict]:
        """The judges' verdicts, up to and with the first that does not pass, each on record before it counts."""
        verdicts = []
        for judge in self._judges:
            verdict = await asked(judge, exchange, stage, self._seconds, fail_open=self._fail_open)
            verdict = await recorded(verdict, exchange, conversation, self._audit, fail_open=self._fail_open)
            verdicts.append(verdict)
            if not verdict.passed:
                break
        return verdicts
