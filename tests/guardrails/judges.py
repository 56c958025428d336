"""Judges for tests: what they say is a function of the exchange, and when they say it can be set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from guardrails.judge import Exchange, Verdict


class FunctionJudge:
    """Passes what `fine` calls fine, after `delay` seconds. `seen` are the exchanges it was asked about."""

    name = "function"
    version = "1"

    def __init__(self, fine: Callable[[Exchange], bool], *, delay: float = 0.0) -> None:
        self._fine = fine
        self._delay = delay
        self.seen: list[Exchange] = []

    async def judge(self, exchange: Exchange) -> Verdict:
        self.seen.append(exchange)
        if self._delay:
            await asyncio.sleep(self._delay)
        return Verdict(self.name, self.version, self._fine(exchange), reason="as the function says")


def without(*words: str) -> FunctionJudge:
    """Passes exchanges whose reply and last message have none of the words."""
    return FunctionJudge(
        lambda exchange: not any(word in exchange.reply + exchange.prompt[-1].content for word in words)
    )


async def stream(pieces: Iterable[str], *, delay: float = 0.0) -> AsyncGenerator[str, None]:
    """A model's text, a piece every `delay` seconds."""
    for piece in pieces:
        await asyncio.sleep(delay)
        yield piece
