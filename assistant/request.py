"""What is sent for a message: which of the turns before it, and the message itself with what is joined to it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from assistant.engines.protocol import Engine
from assistant.personas.persona import Persistence, Persona
from assistant.sampling import Sampling
from assistant.store.records import StoredMessage
from assistant.window import Exchanged, Fitted
from guardrails.messages import Message


@dataclass(frozen=True, slots=True)
class Preview:
    """Exactly what a request would send. `tokens` counts each message's text; `total` the whole prompt."""

    messages: list[Message]
    tokens: list[int]
    total: int
    window: int
    reserve: int
    dropped_turns: int
    text: str

    @classmethod
    def of(cls, fitted: Fitted, engine: Engine, sampling: Sampling) -> Preview:
        """Of a prompt that was fitted for the engine's window."""
        ids, spans = fitted.rendered.ids, fitted.rendered.spans
        return cls(
            messages=fitted.messages,
            tokens=[span.end - span.start for span in spans],
            total=len(ids),
            window=engine.window,
            reserve=reserve(sampling, engine.window),
            dropped_turns=fitted.dropped_turns,
            text=engine.template.decode(ids),
        )


def as_exchanges(branch: list[StoredMessage]) -> list[Exchanged]:
    """The branch's turns: each user message that got a reply, with it.

    A message that was never answered (a failed turn, or one stopped before its first word) is no turn and is not
    sent again. Nor is a blocked one: what was asked there, or how it was refused, would steer every later reply.
    """
    exchanges: list[Exchanged] = []
    for question, reply in pairwise(branch):
        answered = reply.role == "assistant" and reply.content and reply.status != "blocked"
        if question.role == "user" and answered:
            exchanges.append((Message("user", question.content), Message("assistant", reply.content)))
    return exchanges


def newest_message(persona: Persona, text: str, persistence: Persistence | None, *, anchored: bool) -> Message:
    """The newest user message as it is sent: as typed, with the reminder joined where that is the mode, or needed."""
    reminder = persona.reminder or persona.terse
    if reminder and (anchored or (persistence or persona.persistence) == "remind"):
        text = f"{text}\n\n({reminder})"
    return Message("user", text)


def dropped_before(branch: list[StoredMessage]) -> int:
    """How many turns the branch's newest request left out."""
    return next((message.dropped_turns for message in reversed(branch) if message.role == "assistant"), 0)


def dropped_notice(dropped: int) -> str:
    """What is told when older turns no longer fit."""
    turns = "1 older turn is" if dropped == 1 else f"{dropped} older turns are"
    return f"{turns} no longer sent to the model; the instruction always is, and nothing is deleted"


def reserve(sampling: Sampling, window: int) -> int:
    """Tokens kept free for the reply: its limit, but never more than half the window."""
    return min(sampling.max_tokens, window // 2)
