"""Tokens a second of the bundled model with the guard and without, through the whole pipeline and its store.

In each round every arm writes the same replies to the same prompts from the same seeds, one after another and eight
at once, in an order drawn anew.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from assistant.engines.catalog import BUNDLED, open_engine
from assistant.events import Failed
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.settings import load_settings
from assistant.store.store import Store
from guardrails.guard import Guard, build
from guardrails.policy import Stage, load

STREAMS = (1, 8)
TOPICS = ("the sea", "a mountain", "two friends", "a long winter", "an old ship", "the moon", "bread", "a city")
PERSONA = Persona(name="teller", title="Teller", instruction="You are an assistant who tells stories.")
# At temperature 1 its replies are long.
LONGEST = 128
BASELINE = "off"


@dataclass(slots=True)
class Speed:
    """Tokens a second of one arm at one number of streams, a value for each round; and replies the guard held back."""

    rates: list[float] = field(default_factory=list)
    tokens: int = 0
    blocked: int = 0

    def ratio(self, baseline: Speed) -> float:
        """Over the baseline's in the same round: the median."""
        return median(own / other for own, other in zip(self.rates, baseline.rates, strict=True))


def throughput(
    rounds: int, seed: int, reward_model: str, told: Callable[[str], None], *, longest: int = LONGEST
) -> dict[int, dict[str, Speed]]:
    """By number of streams, by arm."""
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "chat.db")) as store:
        guards = _guards(Path(folder), reward_model)
        try:
            return asyncio.run(_measured(store, guards, rounds, seed, told, longest))
        finally:
            for guard in guards.values():
                guard.close()


def _guards(folder: Path, reward_model: str) -> dict[str, Guard]:
    balanced = load("balanced")
    rules = balanced.model_copy(update={"reward_model": None})
    # It judges every window and blocks none, so that all arms write the same tokens.
    never = Stage(threshold=0.0)
    both = balanced.model_copy(update={"reward_model": reward_model, "prompt": never, "reply": never})
    return {
        BASELINE: build(load("off")),
        "rules": build(rules, audit=folder / "rules.jsonl"),
        "rules and reward model": build(both, audit=folder / "reward.jsonl"),
    }


async def _measured(
    store: Store, guards: Mapping[str, Guard], rounds: int, seed: int, told: Callable[[str], None], longest: int
) -> dict[int, dict[str, Speed]]:
    rng = random.Random(seed)
    persona = store.save_persona(PERSONA).id
    speeds = {streams: {name: Speed() for name in guards} for streams in STREAMS}
    engine = open_engine(load_settings(), BUNDLED).engine
    assistants = {name: Assistant(store, engine, guard) for name, guard in guards.items()}
    try:
        for assistant in assistants.values():
            await _reply(assistant, persona, 0, Sampling(max_tokens=16, seed=0), Speed())
        for number in range(1, rounds + 1):
            told(f"throughput: round {number} of {rounds}")
            for streams in STREAMS:
                for name in rng.sample(list(assistants), len(assistants)):
                    await _round(assistants[name], persona, streams, seed + number, longest, speeds[streams][name])
    finally:
        await engine.close()
    return speeds


async def _round(assistant: Assistant, persona: int, streams: int, seed: int, longest: int, speed: Speed) -> None:
    """All prompts, so many at once."""
    before, started = speed.tokens, time.perf_counter()
    for first in range(0, len(TOPICS), streams):
        batch = range(first, first + streams)
        samplings = [Sampling(temperature=1.0, top_p=1, max_tokens=longest, seed=100 * seed + topic) for topic in batch]
        replies = (
            _reply(assistant, persona, topic, given, speed) for topic, given in zip(batch, samplings, strict=True)
        )
        await asyncio.gather(*replies)
    speed.rates.append((speed.tokens - before) / (time.perf_counter() - started))


async def _reply(assistant: Assistant, persona: int, topic: int, sampling: Sampling, speed: Speed) -> None:
    conversation = await asyncio.to_thread(assistant.store.create_conversation, persona)
    words = f"Tell me a long story about {TOPICS[topic]}."
    turn = await assistant.send(conversation.id, words, sampling=sampling)
    end = await turn.wait()
    if isinstance(end, Failed):
        raise RuntimeError(end.error)
    speed.tokens += end.completion_tokens
    speed.blocked += end.status == "blocked"
