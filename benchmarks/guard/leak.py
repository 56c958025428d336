"""Random chunkings through the commit window: does it show what no verdict has passed?

Texts, pieces, windows, the number of judges, their delays and their faults are random, and time is virtual. One judge
finds what is planted anywhere in a reply, the others nothing. What they pass is noted where they do it, not where the
gate tells of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from itertools import accumulate
from typing import cast

from benchmarks.guard.coverage import Count, count, total
from benchmarks.guard.ours import PROMPT
from benchmarks.guard.texts import VIOLATION, Kind, pieces, planted
from benchmarks.guard.virtual_time import VirtualTimeLoop
from benchmarks.peers.serve import Note, follow
from guardrails.gate import CommitWindow, Windows
from guardrails.judge import Exchange, Verdict

KINDS: tuple[Kind, ...] = ("clean", "phrase", "spread")
SECONDS = 10.0
FAULTS = ("raises", "hangs", "no number", "nonsense")


class RandomJudge:
    """Finds the planted violation if it `finds` any, late by any time, and sometimes does not do its work.

    `told` is called with the reply that it passes.
    """

    version = "1"
    told: Callable[[str], None]

    def __init__(self, name: str, rng: random.Random, *, finds: bool, slow: bool, fault_rate: float) -> None:
        self.name = name
        self.prompt_passed = False
        self.reply_passed = 0
        self.faulty = False
        self._rng = rng
        self._finds = finds
        self._slow = slow
        self._fault_rate = fault_rate

    async def judge(self, exchange: Exchange) -> Verdict:
        await asyncio.sleep(self._rng.expovariate(20) if self._slow else 0)
        if self._rng.random() < self._fault_rate:
            self.faulty = True
            return await self._fail(self._rng.choice(FAULTS))
        fine = exchange.prompt == PROMPT and not (self._finds and VIOLATION.search(exchange.reply))
        if fine and not exchange.reply:
            self.prompt_passed = True
        elif fine:
            self.reply_passed = max(self.reply_passed, len(exchange.reply))
            self.told(exchange.reply)
        return Verdict(self.name, self.version, fine)

    @property
    def passed(self) -> int:
        """Characters of the reply that may be shown for all it says."""
        return self.reply_passed if self.prompt_passed else 0

    async def _fail(self, fault: str) -> Verdict:
        if fault == "raises":
            raise RuntimeError
        if fault == "hangs":
            await asyncio.sleep(10 * SECONDS)
        if fault == "nonsense":
            return cast(Verdict, "fine")
        return Verdict(self.name, self.version, True, score=float("nan") if fault == "no number" else 1.0)


async def chunking(seed: int, *, fault_rate: float = 0.0) -> Count:
    """One text through one gate, all drawn from this seed."""
    rng = random.Random(seed)
    text = planted(rng.choice(KINDS), rng.randint(2, 120), rng)
    parts = pieces(text.text, rng)
    slow = rng.random() < 0.5
    number = rng.choice((1, 1, 2, 3))
    finder = rng.randrange(number)
    judges = [
        RandomJudge(f"judge {index}", rng, finds=index == finder, slow=slow, fault_rate=fault_rate)
        for index in range(number)
    ]
    first = rng.randint(1, 60)
    windows = Windows(first=first, growth=rng.choice((1.0, 1.5, 3.0)), largest=rng.randint(first, 120))
    gate = CommitWindow(judges, windows=windows, seconds=SECONDS)

    async def stream(source: AsyncIterator[str], note: Note) -> AsyncGenerator[str, None]:
        def told(reply: str) -> None:
            note(reply[: min(judge.passed for judge in judges)])

        for judge in judges:
            judge.told = told
        async for released in gate.release(PROMPT, source):
            if isinstance(released, str):
                yield released

    moments = list(accumulate(rng.expovariate(50) if slow else 0.0 for _ in parts))
    trace = await follow(stream, parts, moments, noted=True)
    return count(text, trace, faulty=any(judge.faulty for judge in judges))


async def _chunkings(seeds: range, fault_rate: float) -> Count:
    return total([await chunking(seed, fault_rate=fault_rate) for seed in seeds])


def leak(number: int, seed: int) -> dict[str, Count]:
    """So many chunkings: most with judges that work, a tenth with judges that fail one time in ten."""
    failing = number // 10
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        working = runner.run(_chunkings(range(seed, seed + number - failing), 0.0))
        faulty = runner.run(_chunkings(range(seed + number - failing, seed + number), 0.1))
    return {"commit window": working, "commit window, failing judges": faulty}
