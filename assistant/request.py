"""What is sent for a message: which of the turns before it, and the message itself with what is joined to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assistant.engines.protocol import Engine
from assistant.events import Notice
from assistant.personas.persona import Persistence, Persona
from assistant.sampling import Sampling
from assistant.store.records import StoredMessage
from assistant.window import Exchanged, Fitted, fit
from guardrails.messages import Message
from guardrails.policy import Policy

STRAYED = "the last reply was out of character: the persona's reminder goes with this message"


@dataclass(frozen=True, slots=True)
class Request:
    """Instruction, turns before, and the newest message with what is joined to it.

    `dropped_turns` is how many of the oldest turns the branch's last request left out; `anchored` says that the
    reminder goes with the message because the last reply was out of character.
    """

    instruction: str
    history: Sequence[Exchanged]
    newest: Message
    sampling: Sampling
    dropped_turns: int = 0
    anchored: bool = False

    def fit(self, engine: Engine) -> Fitted:
        """The prompt that the engine's window takes. Raises ContextError, and RenderingError as templates do."""
        budget = engine.window - reserve(self.sampling, engine.window)
        return fit(
            engine.template,
            self.instruction,
            self.history,
            self.newest,
            budget=budget,
            dropped_turns=self.dropped_turns,
        )

    def notices(self, fitted: Fitted) -> tuple[Notice, ...]:
        """What is told of a prompt that was fitted for this."""
        dropped, notices = fitted.dropped_turns, []
        if dropped > self.dropped_turns:
            turns = "1 older turn is" if dropped == 1 else f"{dropped} older turns are"
            left_out = f"{turns} no longer sent to the model; the instruction always is, and nothing is deleted"
            notices.append(Notice("context", left_out))
        if self.anchored:
            notices.append(Notice("persona", STRAYED))
        return tuple(notices)

    def safer(self, policy: Policy) -> Request:
        """What is sent for a second try."""
        return replace(self, newest=Message("user", f"{policy.safety_prefix}\n\n{self.newest.content}"))


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


def reserve(sampling: Sampling, window: int) -> int:
    """Tokens kept free for the reply: its limit, but never more than half the window."""
    return min(sampling.max_tokens, window // 2)
