"""What stands between a model's text and its reader."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from guardrails.judge import Verdict
from guardrails.messages import Message


@dataclass(frozen=True, slots=True)
class Withheld:
    """The gate's last word on a reply it stopped: what to show instead, and why."""

    refusal: str
    reason: str


class Gate(Protocol):
    """Lets text through, verdict by verdict."""

    def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str]
    ) -> AsyncGenerator[str | Verdict | Withheld, None]:
        """Read the model's text and yield what may be shown, in order, with the verdicts reached.

        After a `Withheld` nothing follows. The caller closes `text` when the gate is done, which stops the
        generation; the verdicts are stored with the reply.
        """
        ...


class OpenGate:
    """Lets everything through unjudged."""

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str]
    ) -> AsyncGenerator[str | Verdict | Withheld, None]:
        """See `Gate.release`."""
        async for piece in text:
            yield piece
