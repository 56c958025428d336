"""What every engine that is given token ids keeps. A test module of an engine has a subclass and an `engine` fixture.

class TestMine(EngineContract): ...
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta, Engine
from assistant.sampling import Sampling
from guardrails.messages import Message

GREEDY = Sampling(temperature=0, max_tokens=12)
# Replies to it differ from draw to draw, and are long.
OPEN = "Tell me a long story about the sea."
WILD = Sampling(temperature=2, top_p=1, max_tokens=16)


def prompt(engine: Engine, *texts: str) -> list[int]:
    roles = ("user", "assistant") * len(texts)
    return engine.template.render([Message(r, t) for r, t in zip(roles, texts, strict=False)]).ids  # type: ignore[arg-type]


async def collect(engine: Engine, ids: list[int], sampling: Sampling, **options: object) -> list[Delta]:
    return [delta async for delta in engine.generate(ids, sampling, **options)]  # type: ignore[arg-type]


def tokens(deltas: list[Delta], candidate: int = 0) -> list[int]:
    return [i for d in deltas if d.candidate == candidate for i in d.token_ids]


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def reference(folder: Path, ids: list[int], new: int) -> list[int]:
    """transformers' own greedy continuation, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    made: list[int] = model.generate(torch.tensor([ids]), max_new_tokens=new, do_sample=False)[0, len(ids) :].tolist()
    return made


class EngineContract:
    """The `engine` and its model's `folder` are fixtures of the subclass's module."""

    async def test_greedy_decoding_equals_the_librarys_own(self, engine: Engine, folder: Path) -> None:
        ids = prompt(engine, "hello there")
        assert tokens(await collect(engine, ids, GREEDY)) == reference(folder, ids, 12)

    async def test_a_seed_repeats_a_reply_and_another_changes_it(self, engine: Engine) -> None:
        ids = prompt(engine, OPEN)
        samplings = [WILD.model_copy(update={"seed": seed}) for seed in (1, 1, 2)]
        first, again, other = [tokens(await collect(engine, ids, sampling)) for sampling in samplings]
        assert first == again
        assert first != other

    async def test_without_a_seed_replies_differ(self, engine: Engine) -> None:
        replies = [tokens(await collect(engine, prompt(engine, OPEN), WILD)) for _ in range(3)]
        assert len({tuple(reply) for reply in replies}) > 1

    async def test_a_longer_prompt_reuses_what_was_computed_and_changes_no_token(
        self, engine: Engine, block: int
    ) -> None:
        first = prompt(engine, "hello, and listen to this: " + "one two three four " * 10)
        reply = tokens(await collect(engine, first, GREEDY, session="a"))
        longer = [*first, *reply[:-1], *prompt(engine, "and then?")[1:]]
        cached = await collect(engine, longer, GREEDY, session="a")
        again = await collect(engine, longer, GREEDY, session="b")
        assert tokens(cached) == tokens(again)
        [told] = [delta.cached_tokens for delta in cached if delta.cached_tokens]
        assert len(first) - block < told < len(longer)

    async def test_candidates_differ_and_each_finishes_once(self, engine: Engine) -> None:
        ids, sampling = prompt(engine, OPEN), WILD.model_copy(update={"seed": 3})
        deltas = await collect(engine, ids, sampling, n=3)
        replies = [tokens(deltas, candidate) for candidate in range(3)]
        assert len({tuple(reply) for reply in replies}) == 3
        assert sorted(d.candidate for d in deltas if d.finish_reason) == [0, 1, 2]
        alone = [sampling.model_copy(update={"seed": 3 + index}) for index in range(3)]
        assert replies == [tokens(await collect(engine, ids, one)) for one in alone]

    async def test_the_reply_ends_at_its_limit_and_at_the_window(self, engine: Engine) -> None:
        deltas = await collect(engine, prompt(engine, "hi"), Sampling(temperature=0, max_tokens=3))
        assert len(tokens(deltas)) == 3
        assert deltas[-1].finish_reason == "length"
        filled = prompt(engine, "word " * (engine.window - 40))[-(engine.window - 10) :]
        deltas = await collect(engine, filled, Sampling(temperature=1.5, top_p=1, seed=1, max_tokens=10_000))
        assert len(filled) + len(tokens(deltas)) <= engine.window
        assert deltas[-1].finish_reason in ("length", "stop")

    async def test_a_stop_string_ends_the_reply_and_is_cut(self, engine: Engine) -> None:
        ids = prompt(engine, "hi")
        whole = text(await collect(engine, ids, Sampling(temperature=0, max_tokens=30)))
        stop = whole[5:8]
        deltas = await collect(engine, ids, Sampling(temperature=0, max_tokens=30, stop=(stop,)))
        assert text(deltas) == whole[: whole.index(stop)]
        assert deltas[-1].finish_reason == "stop"

    async def test_closing_the_stream_stops_the_work(self, engine: Engine) -> None:
        stream = engine.generate(prompt(engine, "hi"), Sampling(max_tokens=10_000), session="a")
        async with aclosing(stream) as deltas:
            async for _ in deltas:
                break
        # The stop is heeded before the next request's first token: this one would time out otherwise.
        async with asyncio.timeout(5):
            assert await collect(engine, prompt(engine, "hi"), GREEDY, session="a")

    async def test_conversations_do_not_wait_for_each_other(self, engine: Engine) -> None:
        order: list[str] = []

        async def run(name: str, limit: int) -> None:
            sampling = WILD.model_copy(update={"seed": 4, "max_tokens": limit})
            async for _ in engine.generate(prompt(engine, OPEN, "Ahoy.", name), sampling):
                order.append(name)

        await asyncio.gather(run("a", 60), run("b", 10))
        # How soon a server lets the second one in, nobody promises; one after the other it would come last.
        assert order.index("b") < len(order) - 1 - order[::-1].index("a")

    async def test_together_each_gets_what_it_gets_alone(self, engine: Engine) -> None:
        prompts = [prompt(engine, "word " * length) for length in (1, 7, 40, 150)]
        together = await asyncio.gather(*(collect(engine, ids, GREEDY) for ids in prompts))
        alone = [await collect(engine, ids, GREEDY) for ids in prompts]
        assert list(map(tokens, together)) == list(map(tokens, alone))

    async def test_bad_prompts_are_refused_in_one_line(self, engine: Engine) -> None:
        with pytest.raises(EngineError, match="empty"):
            await collect(engine, [], GREEDY)
        with pytest.raises(EngineError, match=f"window is {engine.window}"):
            await collect(engine, [5] * (engine.window + 1), GREEDY)
        with pytest.raises(EngineError) as caught:
            await collect(engine, [10**6], GREEDY)
        assert "\n" not in str(caught.value)
        assert await collect(engine, prompt(engine, "still alive?"), GREEDY)
