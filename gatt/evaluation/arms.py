"""An arm: a model, and what is done to help it remember. All arms are asked the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.engines.protocol import Engine
from assistant.sampling import Sampling
from assistant.window import Exchanged, fit
from gatt.families import joined
from guardrails.messages import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids to send. `reminder_tokens` of them repeat the instruction; `dropped_turns` did not fit."""

    ids: list[int]
    reminder_tokens: int
    dropped_turns: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `finish` is "stop", or "length" where it ran into the limit.

    `cached` is how many prompt tokens the engine did not have to compute again.
    """

    text: str
    tokens: int
    finish: str
    cached: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One column of the comparison. With `reminds` the instruction is also joined to the newest user message."""

    name: str
    engine: Engine
    reminds: bool = False

    def prompt(
        self, instruction: str, history: Sequence[Exchanged], user: str, *, reserve: int, dropped_turns: int = 0
    ) -> Prompt:
        """The instruction, pinned as system message, the turns that fit, and the user's message.

        `reserve` tokens of the window are left for the reply. `dropped_turns`: see `assistant.window.fit`.

        Raises:
            ContextError: the instruction and the message alone do not fit.
        """
        newest = joined(instruction, user) if self.reminds and instruction else user
        template = self.engine.template
        fitted = fit(
            template,
            instruction,
            history,
            Message("user", newest),
            budget=self.engine.window - reserve,
            dropped_turns=dropped_turns,
        )
        reminder = template.count(newest) - template.count(user)
        return Prompt(fitted.rendered.ids, reminder, fitted.dropped_turns)

    async def reply(self, prompt: Prompt, sampling: Sampling, *, session: str | None = None) -> Reply:
        """One reply, to its end. Raises EngineError."""
        text, tokens, finish, cached = "", 0, "length", 0
        async for delta in self.engine.generate(prompt.ids, sampling, session=session):
            text += delta.text
            tokens += len(delta.token_ids)
            finish = delta.finish_reason or finish
            cached += delta.cached_tokens
        return Reply(text.strip(), tokens, finish, cached)


def exchange(user: str, answer: str) -> Exchanged:
    return Message("user", user), Message("assistant", answer)
