"""How well a reply keeps to its persona, by checks that a program can make."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from guardrails.checks.check import Check
from guardrails.gate import Gate, Released, Withheld
from guardrails.judge import Verdict
from guardrails.messages import Message

NAME = "persona"


class Adherence:
    """A gate around a gate: what that one lets through is measured at its end. It holds nothing back itself."""

    def __init__(self, gate: Gate, checks: Sequence[Check], level: float) -> None:
        """A reply that keeps less than this share of the checks is flagged."""
        self._gate = gate
        self._checks = checks
        self._level = level

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        """See `Gate.release`. The last thing that comes is the verdict on the whole reply."""
        parts: list[str] = []
        async with aclosing(self._gate.release(prompt, text, conversation=conversation)) as released:
            async for piece in released:
                yield piece
                if isinstance(piece, Withheld):
                    return
                if isinstance(piece, str):
                    parts.append(piece)
        reply = "".join(parts)
        if reply.strip():
            yield adherence(self._checks, reply, prompt[-1].content, self._level)


def adherence(checks: Sequence[Check], reply: str, prompt: str, level: float) -> Verdict:
    """The share of the checks that a whole reply passes, as a verdict that names the kinds it does not."""
    failed = [check.kind for check in checks if not check.passes(reply, prompt)]
    score = 1 - len(failed) / len(checks)
    return Verdict(
        NAME,
        "1",
        passed=True,
        stage="final",
        score=score,
        threshold=level,
        reason=", ".join(dict.fromkeys(failed)),
        flagged=score < level,
    )
