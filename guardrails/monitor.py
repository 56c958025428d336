"""Monitor mode: everything is shown at once, judged all the same, and what would have been held back is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from guardrails.gate import CommitWindow, Released
from guardrails.judge import Verdict
from guardrails.messages import Message
from guardrails.reading import Reading


class Monitor:
    """Never holds text. Judging goes on beside it and is waited for at the reply's end."""

    def __init__(self, gate: CommitWindow) -> None:
        """`gate` is what would stand here in earnest: the same judges on the same windows."""
        self._gate = gate

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        """See `Gate.release`. What would have been withheld passes as flagged, and judging ends with it."""
        async with Reading(text) as reading:
            verdicts: list[Verdict] = []
            judging = asyncio.create_task(self._judge(prompt, reading, verdicts, conversation))
            try:
                told = shown = 0
                while not reading.ended or shown < len(reading.text):
                    await reading.beyond(shown)
                    yield reading.text[shown:]
                    shown = len(reading.text)
                    for verdict in verdicts[told:]:
                        yield verdict
                        told += 1
                await judging
                for verdict in verdicts[told:]:
                    yield verdict
            finally:
                judging.cancel()
                await asyncio.gather(judging, return_exceptions=True)
            reading.raise_error()

    async def _judge(
        self, prompt: Sequence[Message], reading: Reading, verdicts: list[Verdict], conversation: str
    ) -> None:
        async with aclosing(self._gate.verdicts(prompt, reading, conversation)) as judged:
            async for _, verdict in judged:
                verdicts.append(verdict if verdict.passed else replace(verdict, passed=True, flagged=True))
