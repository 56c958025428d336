"""An engine whose replies a function makes of what it was told, and the small families that such a function obeys.

    engine = TalkingEngine(obey)

Prompts are rendered by the bundled template, so they are real; requests finish out of order, as on a real engine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta, FinishReason
from assistant.sampling import Sampling
from gatt.families import Family
from guardrails.rendering import ChatTemplate
from tests.scripted_engine import bundled_template

FRUITS = ("apple", "banana", "cherry", "date", "elder", "fig", "grape", "haw", "kiwi", "lemon", "mango", "olive")
FAMILIES = {
    "fruit": Family(
        verbose=("Say {x} in every reply",),
        terse=("Fruit: {x}",),
        values=FRUITS,
        check={"kind": "contains", "value": "{x}"},
    ),
    "pet": Family(
        verbose=("You own a {x}",),
        terse=("Pet: {x}",),
        values=("dog", "cat"),
        check={"kind": "contains", "value": "{x}"},
        asks=("What do you own?", "Have you a pet?"),
        probes=("Which pet is yours?",),
    ),
    "shout": Family(verbose=("Use capital letters",), terse=("CAPITALS",), check={"kind": "upper"}),
    "rhyme": Family(verbose=("Answer in rhyme",), terse=("Rhymes",), check={"kind": "rhyme"}),
}

# The prompt as text, and the seed of the candidate, make a reply.
Speaker = Callable[[str, int], str]


def last_user(prompt: str) -> str:
    """The words of the last user message, with whatever was joined to them."""
    return prompt.rpartition("<|user|>")[2].partition("<|end|>")[0].strip()


def obey(prompt: str, seed: int) -> str:
    """Do what the last user message says, in words that the seed changes."""
    told = last_user(prompt)
    words = f"reply {seed % 997}"
    if fruit := re.search(r"Say (\w+) in every", told):
        words += f" with {fruit[1]}"
    pet = re.search(r"You own a (\w+)", told)
    if pet and re.search(r"What do you own|Have you a pet|Which pet", told):
        words += f" about my {pet[1]}"
    return words.upper() if "Use capital letters" in told else words


class TalkingEngine:
    """Implements `assistant.engines.protocol.Engine`. Fails at request number `fail_at` and after it."""

    name = "talking"
    model = "talker"

    def __init__(
        self,
        speaker: Speaker = obey,
        *,
        window: int = 2048,
        template: ChatTemplate | None = None,
        fail_at: int | None = None,
        delay: float = 0.0,
    ) -> None:
        self.speaker = speaker
        self.window = window
        self.template = template or bundled_template()
        self.fail_at = fail_at
        self.delay = delay
        self.prompts: list[str] = []
        self.sessions: list[str | None] = []
        self.running = self.most_running = 0

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        if self.fail_at is not None and len(self.prompts) >= self.fail_at:
            raise EngineError("the engine died")
        assert len(prompt_ids) + sampling.max_tokens <= self.window
        assert sampling.seed is not None
        prompt = self.template.decode(prompt_ids)
        self.prompts.append(prompt)
        self.sessions.append(session)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.delay)
            for _ in range(sampling.seed % 7):
                await asyncio.sleep(0)
            for candidate in range(n):
                text = self.speaker(prompt, sampling.seed + candidate)
                ids = self.template.encode(text)
                finish: FinishReason = "stop" if len(ids) <= sampling.max_tokens else "length"
                yield Delta(candidate, ids[: sampling.max_tokens], text, finish)
        finally:
            self.running -= 1

    async def close(self) -> None:
        pass
