"""Which guard judges a conversation, and what its turns do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from assistant.personas.persona import Persona
from assistant.store.records import Conversation
from assistant.turn import Guarding
from assistant.window import Exchanged, Fitted
from guardrails import adherence
from guardrails.adherence import Adherence
from guardrails.guard import Guard
from guardrails.policy import Policy

# For personas without words of their own.
REFUSAL = "I would rather not go into that. Ask me about something else, and I will gladly help."


class Guards:
    """The program's guard, and the stricter one for conversations that ask for it. There is no laxer one."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._strict_policy = guard.strict_policy
        # Built when the first conversation asks for it.
        self._stricter: Guard | None = None
        self._building = asyncio.Lock()

    @property
    def can_be_stricter(self) -> bool:
        """Whether asking for it changes anything."""
        return self._strict_policy != self._guard.policy

    def policy(self, conversation: Conversation | None) -> Policy:
        """What holds for this conversation; None stands for one that is yet to begin."""
        return self._guard.policy if conversation is None or conversation.guard is None else self._strict_policy

    async def guard(self, conversation: Conversation) -> Guard:
        """The guard with that policy. Building it may take seconds, once.

        Raises:
            UserError: the stricter one cannot be built.
        """
        if conversation.guard is None or not self.can_be_stricter:
            return self._guard
        async with self._building:
            if self._stricter is None:
                self._stricter = await asyncio.to_thread(self._guard.stricter)
        return self._stricter

    def close(self) -> None:
        """Close both."""
        if self._stricter is not None:
            self._stricter.close()
        self._guard.close()


def guarding(guard: Guard, persona: Persona | None, again: Callable[[], Fitted] | None) -> Guarding:
    """What a turn of `persona` does with the guard; `again` is its prompt with the safety prefix."""
    gate, policy = guard.gate, guard.policy
    if persona is not None and persona.checks:
        gate = Adherence(gate, persona.checks, policy.adherence)
    refusal = (persona.refusal if persona is not None else "") or REFUSAL
    return Guarding(gate, refusal, policy.replacement, again, guard.best_of)


def strays(policy: Policy, persona: Persona, last: Exchanged) -> bool:
    """Whether a reply that no verdict is stored of kept less of the persona's checks than the policy wants."""
    if not (persona.checks and policy.adherence):
        return False
    question, reply = last
    return adherence.adherence(persona.checks, reply.content, question.content, policy.adherence).flagged
