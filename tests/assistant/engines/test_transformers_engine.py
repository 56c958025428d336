from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta
from assistant.engines.transformers_engine import TransformersEngine
from assistant.sampling import Sampling
from guardrails.messages import Message


@pytest.fixture
async def engine(tiny_model: Path) -> AsyncIterator[TransformersEngine]:
    engine = TransformersEngine(tiny_model, threads=1)
    yield engine
    await engine.close()


def prompt(engine: TransformersEngine, *texts: str) -> list[int]:
    roles = ("user", "assistant") * len(texts)
    return engine.template.render([Message(r, t) for r, t in zip(roles, texts, strict=False)]).ids  # type: ignore[arg-type]


async def collect(engine: TransformersEngine, ids: list[int], sampling: Sampling, **options: object) -> list[Delta]:
    return [delta async for delta in engine.generate(ids, sampling, **options)]  # type: ignore[arg-type]


def tokens(deltas: list[Delta], candidate: int = 0) -> list[int]:
    return [i for d in deltas if d.candidate == candidate for i in d.token_ids]


GREEDY = Sampling(temperature=0, max_tokens=12)


async def test_greedy_decoding_equals_the_librarys_own(engine: TransformersEngine, tiny_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ids = prompt(engine, "hello there")
    reference: Any = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    expected = reference.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
    assert tokens(await collect(engine, ids, GREEDY)) == expected


async def test_a_seed_repeats_a_reply_and_another_changes_it(engine: TransformersEngine) -> None:
    ids = prompt(engine, "hello")
    first, again, other = [
        tokens(await collect(engine, ids, Sampling(temperature=1.5, top_p=1, max_tokens=16, seed=seed)))
        for seed in (1, 1, 2)
    ]
    assert first == again
    assert first != other


async def test_a_kept_cache_saves_work_and_changes_no_token(engine: TransformersEngine) -> None:
    first = prompt(engine, "hello")
    reply = tokens(await collect(engine, first, GREEDY, session="a"))
    longer = [*first, *reply[:-1], *prompt(engine, "and then?")[1:]]
    cached = await collect(engine, longer, GREEDY, session="a")
    fresh = await collect(engine, longer, GREEDY)
    assert tokens(cached) == tokens(fresh)
    assert cached[0].cached_tokens >= len(first)
    assert fresh[0].cached_tokens == 0


async def test_a_rewritten_history_reuses_only_what_is_the_same(engine: TransformersEngine) -> None:
    await collect(engine, prompt(engine, "one two three", "four", "five"), GREEDY, session="a")
    changed = prompt(engine, "one two three", "FOUR", "five")
    cached = await collect(engine, changed, GREEDY, session="a")
    assert 0 < cached[0].cached_tokens < len(changed)
    assert tokens(cached) == tokens(await collect(engine, changed, GREEDY))


async def test_candidates_differ_and_each_finishes_once(engine: TransformersEngine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1, max_tokens=8, seed=3)
    deltas = await collect(engine, prompt(engine, "hi"), sampling, n=3)
    replies = [tokens(deltas, candidate) for candidate in range(3)]
    assert len({tuple(reply) for reply in replies}) == 3
    assert sorted(d.candidate for d in deltas if d.finish_reason) == [0, 1, 2]
    alone = tokens(await collect(engine, prompt(engine, "hi"), sampling))
    assert replies[0] == alone


async def test_the_reply_ends_at_its_limit_and_at_the_window(engine: TransformersEngine) -> None:
    deltas = await collect(engine, prompt(engine, "hi"), GREEDY)
    assert len(tokens(deltas)) <= 12
    long = prompt(engine, "word " * 200)
    assert len(long) < engine.window
    deltas = await collect(engine, long, Sampling(temperature=0, max_tokens=10_000))
    assert len(long) + len(tokens(deltas)) <= engine.window


async def test_a_stop_string_ends_the_reply_and_is_cut(engine: TransformersEngine) -> None:
    ids = prompt(engine, "hi")
    text = "".join(d.text for d in await collect(engine, ids, Sampling(temperature=0, max_tokens=30)))
    stop = text[5:8]
    deltas = await collect(engine, ids, Sampling(temperature=0, max_tokens=30, stop=(stop,)))
    assert "".join(d.text for d in deltas) == text[: text.index(stop)]
    assert deltas[-1].finish_reason == "stop"


async def test_closing_the_stream_stops_the_work(engine: TransformersEngine) -> None:
    stream = engine.generate(prompt(engine, "hi"), Sampling(max_tokens=10_000), session="a")
    async with aclosing(stream) as deltas:
        async for _ in deltas:
            break
    # The worker heeds the stop before the next request's first token: this one would time out otherwise.
    async with asyncio.timeout(5):
        assert await collect(engine, prompt(engine, "hi"), GREEDY, session="a")


async def test_conversations_do_not_wait_for_each_other(engine: TransformersEngine) -> None:
    order: list[str] = []

    async def run(name: str, limit: int) -> None:
        async for _ in engine.generate(prompt(engine, name), Sampling(temperature=0, max_tokens=limit)):
            order.append(name)

    await asyncio.gather(run("a", 60), run("b", 10))
    assert order.index("b") < 10
    assert order[-1] == "a"


async def test_bad_prompts_are_refused_in_one_line(engine: TransformersEngine) -> None:
    with pytest.raises(EngineError, match="empty"):
        await collect(engine, [], GREEDY)
    with pytest.raises(EngineError, match="window is 512"):
        await collect(engine, [5] * 600, GREEDY)
    with pytest.raises(EngineError, match="the model failed"):
        await collect(engine, [10**6], GREEDY)
    assert await collect(engine, prompt(engine, "still alive?"), GREEDY)


async def test_a_closed_engine_says_so(tiny_model: Path) -> None:
    engine = TransformersEngine(tiny_model)
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await collect(engine, [1, 2], GREEDY)


def test_a_folder_without_a_model_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot load a chat model"):
        TransformersEngine(tmp_path)
