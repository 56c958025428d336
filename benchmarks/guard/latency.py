"""How much later the first words come, and what is shown of a violation, on a stream of a token every 5 ms.

In each round every arm runs once on a clean text and once on one with a planted phrase, in an order drawn
anew: whatever the machine does meanwhile, it does to all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks.guard.coverage import part
from benchmarks.guard.ours import arms
from benchmarks.guard.peers import Peer
from benchmarks.guard.texts import Planted, planted
from benchmarks.peers.serve import Arm, Trace, follow

TOKENS = 400
TOKEN_SECONDS = 0.005
# No violation begins in the first or last tenth.
EDGE = 0.1
BASELINE = "no guard"

Run = Callable[[Sequence[str], Sequence[float]], Trace]


@dataclass(frozen=True, slots=True)
class Timed:
    """An arm to be timed."""

    name: str
    setting: str
    run: Run


@dataclass(slots=True)
class Measured:
    """What an arm did, a value for each round.

    Of clean texts: seconds to the first character and to the end. Of planted ones: characters of the violation that
    were shown, whole tokens shown after it, and tokens that the model had written after it when the stream ended.
    """

    setting: str
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    length: list[int] = field(default_factory=list)
    shown_after: list[int] = field(default_factory=list)
    written_after: list[int] = field(default_factory=list)

    def add_clean(self, text: Planted, trace: Trace) -> Self:
        """A run on a clean text."""
        if trace.shown != text.text:
            raise AssertionError("a clean text was not shown whole")
        self.first.append(next(event.seconds for event in trace.events if event.kind == "shown"))
        self.total.append(trace.total)
        return self

    def add_planted(self, text: Planted, trace: Trace) -> Self:
        """A run on a planted one."""
        shown = trace.shown
        start, end = text.violation
        self.parts.append(part(text, shown))
        self.length.append(end - start)
        self.shown_after.append(len(shown[end:].split()))
        self.written_after.append(max(0, trace.written - text.end))
        return self

    @property
    def whole(self) -> int:
        """In how many runs all of the violation was shown."""
        return sum(part == length for part, length in zip(self.parts, self.length, strict=True))

    def added_ms(self, baseline: Measured) -> float:
        """Milliseconds to the first character beyond the baseline's in the same round: the median."""
        return 1000 * median(own - other for own, other in zip(self.first, baseline.first, strict=True))

    def ratio(self, baseline: Measured) -> float:
        """The whole time over the baseline's in the same round: the median."""
        return median(own / other for own, other in zip(self.total, baseline.total, strict=True))


def ours(folder: Path, runner: asyncio.Runner) -> list[Timed]:
    """Our arms, in this process."""

    def run(arm: Arm, pieces: Sequence[str], due: Sequence[float]) -> Trace:
        return runner.run(follow(arm.stream, pieces, due, noted=False))

    return [Timed(name, arm.setting, partial(run, arm)) for name, arm in arms(folder).items()]


def theirs(peers: Sequence[Peer]) -> list[Timed]:
    """The peers', each in its own."""
    return [
        Timed(f"{peer.name}, {name}", arm.setting, partial(peer.run, name, noted=False))
        for peer in peers
        for name, arm in peer.arms.items()
    ]


def latency(timed: Sequence[Timed], runs: int, seed: int, told: Callable[[str], None]) -> dict[str, Measured]:
    """Every arm `runs` times on clean and on planted texts, after one run that does not count."""
    rng = random.Random(seed)
    measured = {arm.name: Measured(arm.setting) for arm in timed}
    told("latency: one run that does not count")
    for arm in timed:
        _ran(arm, planted("clean", 40, rng))
    for number in range(1, runs + 1):
        clean, bad = planted("clean", TOKENS, rng), planted("phrase", TOKENS, rng, edge=EDGE)
        told(f"latency: round {number} of {runs}")
        for arm in rng.sample(timed, len(timed)):
            measured[arm.name].add_clean(clean, _ran(arm, clean))
            measured[arm.name].add_planted(bad, _ran(arm, bad))
    return measured


def _ran(arm: Timed, text: Planted) -> Trace:
    return arm.run(text.words, [TOKEN_SECONDS * (index + 1) for index in range(len(text.words))])
