"""What happens during a turn, as clients see it. Clients render events; they decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guardrails.judge import Decision, Stage

# How a reply can end, and the status of one that has not ended yet.
End = Literal["complete", "stopped", "interrupted", "blocked", "failed"]
Status = Literal["streaming"] | End


@dataclass(frozen=True, slots=True)
class Started:
    """The user message is stored and the request is built; generation begins."""

    conversation_id: int
    user_message_id: int
    reply_id: int
    model: str
    prompt_tokens: int
    window: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the person should know, such as older turns that are no longer sent."""

    kind: Literal["context", "storage", "persona"]
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Released text to append to the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The gate reached a verdict; `score` and `threshold` are None where a judge only decides."""

    judge: str
    stage: Stage
    decision: Decision
    score: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Retracted:
    """The gate held the reply back and another is being written: what was shown of the first does not count."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The gate held the reply back; `text` is what to show in its place, and of what was shown before.

    `unavailable`: not for what it said, but because a judge gave no verdict.
    """

    text: str
    reason: str
    unavailable: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The turn ended and is stored. Durations in milliseconds; `ttft_ms` is None when no token came."""

    reply_id: int
    status: Status
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    ttft_ms: int | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn could not be completed; what was said is stored. `error` is one line with the fix.

    `refused`: the request itself cannot be served, such as one that does not fit, and never could be.
    """

    reply_id: int
    error: str
    refused: bool = False


Event = Started | Notice | Text | Judged | Retracted | Blocked | Finished | Failed
