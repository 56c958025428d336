"""What judges an exchange."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from guardrails.messages import Message

Stage = Literal["prompt", "window", "final"]
Decision = Literal["pass", "flag", "block", "unavailable"]
Action = Literal["block", "regenerate", "replace", "flag"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a judge sees: the prompt with its history, and the reply so far (empty while the prompt is judged)."""

    prompt: tuple[Message, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score and decision on one stage of an exchange.

    `passed`: text may be shown. `flagged`: it may, and is noted. `unavailable`: the judge gave no verdict; the gate
    says whether that lets text pass. `action` is what follows where it did not pass. `score` is None where a judge
    only decides; latency in milliseconds.
    """

    judge: str
    judge_version: str
    passed: bool
    stage: Stage = "window"
    score: float | None = None
    threshold: float | None = None
    reason: str = ""
    latency_ms: float = 0.0
    category: str = ""
    flagged: bool = False
    unavailable: bool = False
    action: Action = "block"

    @property
    def decision(self) -> Decision:
        """The verdict in one word."""
        if self.unavailable:
            return "unavailable"
        if not self.passed:
            return "block"
        return "flag" if self.flagged else "pass"


class Judge(Protocol):
    """Scores exchanges. Any exception counts as a failure to judge, never as a pass."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    async def judge(self, exchange: Exchange) -> Verdict: ...


def acted(verdict: Verdict, action: Action) -> Verdict:
    """A verdict that does not pass, with what the policy has follow: a flag lets it through and is noted."""
    if action == "flag":
        return replace(verdict, passed=True, flagged=True, action=action)
    return replace(verdict, action=action)


async def asked(judge: Judge, exchange: Exchange, stage: Stage, seconds: float, *, fail_open: bool) -> Verdict:
    """The judge's verdict, or that there is none: after an exception, too many `seconds`, or a score that is no number.

    What went wrong is told by its kind alone: an error's message may quote what was judged.
    """
    started = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            found = await judge.judge(exchange)
        if not isinstance(found, Verdict) or not isinstance(found.passed, bool):
            raise TypeError
        if found.score is not None and not math.isfinite(found.score):
            raise ArithmeticError
        verdict = replace(found, stage=stage)
    except Exception as error:
        why = f"no verdict: {type(error).__name__}"
        verdict = Verdict(judge.name, judge.version, fail_open, stage, reason=why, unavailable=True)
    return replace(verdict, latency_ms=1000 * (time.perf_counter() - started))
