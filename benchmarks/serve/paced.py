"""A model that takes no computing: its tokens come when they are due, so that what is measured is what is around it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta
from assistant.sampling import Sampling
from guardrails.rendering import ChatTemplate


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds until the first token and between tokens, how many there are, and the share of replies that fail."""

    first: float = 0.05
    pause: float = 0.02
    tokens: int = 40
    failing: float = 0.0


class PacedEngine:
    """Says "word" again and again; its tokenizer is the bundled model's."""

    name = "paced"
    model = "paced"
    window = 2048

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.template = ChatTemplate.from_folder(BUNDLED_FOLDER)
        self._token = self.template.encode(" word")[0]

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """See `Engine.generate`."""
        loop, pace = asyncio.get_running_loop(), self.pace
        due = loop.time() + pace.first
        breaks = random.randrange(1, pace.tokens) if random.random() < pace.failing else None
        for number in range(pace.tokens):
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += pace.pause
            if number == breaks:
                raise EngineError("the paced engine failed, as it was told to")
            last = number == pace.tokens - 1
            for candidate in range(n):
                yield Delta(candidate, (self._token,), " word", "stop" if last else None)

    async def close(self) -> None:
        """See `Engine.close`."""
