"""What judges an exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from guardrails.messages import Message


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a judge sees: the prompt with its history, and the reply so far (empty while the prompt is judged)."""

    prompt: tuple[Message, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score and decision on one stage of an exchange.

    `score` is None where a judge only decides; latency in milliseconds.
    """

    judge: str
    judge_version: str
    passed: bool
    stage: Literal["prompt", "window", "final"] = "window"
    score: float | None = None
    threshold: float | None = None
    reason: str = ""
    latency_ms: float = 0.0


class Judge(Protocol):
    """Scores exchanges. Any exception counts as a failure to judge, never as a pass."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    async def judge(self, exchange: Exchange) -> Verdict: ...
