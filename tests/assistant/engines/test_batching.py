"""Requests computed together get what each would get alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from assistant.engines.errors import EngineError
from assistant.engines.forward import Row
from assistant.engines.one_by_one import OneByOne
from assistant.engines.packed import Packed, packed
from assistant.engines.sampler import top_k, top_p
from assistant.engines.transformers_engine import TransformersEngine
from assistant.sampling import Sampling

GREEDY = Sampling(temperature=0, max_tokens=12)
# Of very different lengths; the longest takes several steps beside the others.
LENGTHS = (1, 2, 7, 30, 64, 150, 300, 480)
SIZES: dict[str, Any] = {
    "vocab_size": 6144,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
FAMILIES = {
    "grouped queries": Qwen2Config(**SIZES, num_key_value_heads=2),
    "a sliding window": MistralConfig(**SIZES, num_key_value_heads=1, sliding_window=20),
    "some sliding windows": Qwen2Config(
        **SIZES,
        num_key_value_heads=2,
        use_sliding_window=True,
        sliding_window=16,
        layer_types=["full_attention", "sliding_attention", "full_attention"],
    ),
    "learned positions": GPT2Config(vocab_size=6144, n_embd=32, n_layer=2, n_head=2, n_positions=512),
    "capped attention": Gemma2Config(**SIZES, num_key_value_heads=2, head_dim=8, attn_logit_softcapping=5.0),
    "rotary embeddings that depend on the length": LlamaConfig(
        **SIZES, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    ),
}
NOT_PACKED = {"capped attention", "rotary embeddings that depend on the length"}


def sequence(length: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(1000 * seed + length)
    return torch.randint(300, 6000, (length,), generator=generator).tolist()


async def tokens(engine: TransformersEngine, ids: list[int], sampling: Sampling = GREEDY, **options: Any) -> list[int]:
    return [i async for delta in engine.generate(ids, sampling, **options) for i in delta.token_ids]


def reference(model: Any, ids: list[int]) -> list[int]:
    """The library's own greedy continuation."""
    made = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=0)
    return list(made[0, len(ids) :].tolist())


@pytest.fixture
async def engine(tiny_model: Path) -> AsyncIterator[TransformersEngine]:
    engine = TransformersEngine(tiny_model, threads=1)
    yield engine
    await engine.close()


@pytest.fixture
def count_forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each forward had."""
    rows: list[int] = []
    forward = Packed.__call__

    def counted(self: Packed, parts: Any) -> torch.Tensor:
        rows.append(len(parts))
        return forward(self, parts)

    monkeypatch.setattr(Packed, "__call__", counted)
    return rows


async def test_together_each_gets_what_it_gets_alone(engine: TransformersEngine, tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    prompts = [sequence(length) for length in LENGTHS]
    together = await asyncio.gather(*(tokens(engine, ids) for ids in prompts))
    alone = [await tokens(engine, ids) for ids in prompts]
    assert together == alone == [reference(model, ids) for ids in prompts]


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_family_equals_the_library(family: str, tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    made = AutoModelForCausalLM.from_config(FAMILIES[family])
    made.generation_config.eos_token_id = None
    for weight in made.parameters():
        # Large enough for attention to decide which token follows.
        weight.data.mul_(4) if weight.dim() > 1 else None
    made.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    prompts = [sequence(length) for length in LENGTHS]
    engine = TransformersEngine(tmp_path, threads=1)
    together = await asyncio.gather(*(tokens(engine, ids) for ids in prompts))
    kept = [await tokens(engine, [*ids, *reply], session="a") for ids, reply in zip(prompts, together, strict=True)]
    await engine.close()
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert together == [reference(model, ids) for ids in prompts]
    assert kept == [reference(model, [*ids, *reply]) for ids, reply in zip(prompts, together, strict=True)]


@pytest.mark.parametrize("k", [1, 40, 6000, 9000])
@pytest.mark.parametrize("p", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("spread", [0.1, 4.0])
def test_top_k_and_top_p_are_the_librarys(k: int, p: float, spread: float) -> None:
    scores: Any = spread * torch.randn(5, 6144, generator=torch.Generator().manual_seed(k))
    assert torch.equal(top_k(scores, k), TopKLogitsWarper(k)(scores, scores))
    ours, theirs = (kept.isfinite() for kept in (top_p(scores, p), TopPLogitsWarper(p)(scores, scores)))
    # Ours adds up from the other end: a token at the very border may fall on its other side.
    assert ((ours.sum(-1) - theirs.sum(-1)).abs() <= 1).all()
    least_kept = scores.masked_fill(~ours, torch.inf).amin(-1)
    assert (scores.masked_fill(ours, -torch.inf).amax(-1) <= least_kept).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_packing_is_for_models_it_can_serve(family: str) -> None:
    model = AutoModelForCausalLM.from_config(FAMILIES[family]).eval()
    attention = model.config._attn_implementation
    served = packed(model) is not None
    assert served == (family not in NOT_PACKED)
    assert served == (model.config._attn_implementation != attention)


def test_a_model_that_keeps_words_from_its_attention_is_left_alone() -> None:
    class Peculiar(GPT2LMHeadModel):
        def forward(self, *arguments: Any, pack: Any = None, **options: Any) -> Any:
            return super().forward(*arguments, **options)

    made: Any = Peculiar
    model = made(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2)).eval()
    assert packed(model) is None
    with torch.inference_mode():
        forward = OneByOne(model)
        assert torch.isfinite(forward([Row([1, 2, 3], forward.new_cache())])).all()


async def test_one_forward_serves_all(engine: TransformersEngine, count_forwards: list[int]) -> None:
    sampling = Sampling(temperature=0, max_tokens=10)
    await asyncio.gather(*(tokens(engine, sequence(9, seed), sampling) for seed in range(8)))
    assert max(count_forwards) == 8
    assert len(count_forwards) < 20


async def test_joining_and_leaving_changes_no_token(engine: TransformersEngine) -> None:
    prompts = [sequence(20, seed) for seed in range(6)]
    samplings = [Sampling(temperature=1.2, top_p=0.9, max_tokens=5 + 7 * i, seed=i) for i in range(6)]
    alone = [await tokens(engine, ids, sampling) for ids, sampling in zip(prompts, samplings, strict=True)]

    async def late(index: int) -> list[int]:
        await asyncio.sleep(0.01 * index)
        return await tokens(engine, prompts[index], samplings[index])

    assert await asyncio.gather(*(late(index) for index in range(6))) == alone


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1, top_p=1, seed=5, max_tokens=12),
        Sampling(temperature=0.7, top_p=0.9, top_k=40, seed=5, max_tokens=12),
        Sampling(temperature=1.5, top_p=0.99, repetition_penalty=1.3, seed=5, max_tokens=12),
        Sampling(temperature=0, repetition_penalty=1.3, max_tokens=12),
    ],
)
async def test_a_seed_gives_the_same_whatever_runs_beside_it(engine: TransformersEngine, sampling: Sampling) -> None:
    ids = sequence(25)
    alone = await tokens(engine, ids, sampling)
    others = [sampling.model_copy(update={"seed": seed, "top_p": 0.5 + seed / 20}) for seed in range(9)]
    first, *_ = await asyncio.gather(
        tokens(engine, ids, sampling), *(tokens(engine, sequence(15, i), other) for i, other in enumerate(others))
    )
    assert first == alone


async def test_one_that_is_cancelled_does_not_disturb_the_others(engine: TransformersEngine) -> None:
    ids = sequence(40)
    alone = await tokens(engine, ids)
    long = asyncio.create_task(tokens(engine, sequence(300), Sampling(temperature=0, max_tokens=10_000)))
    running = asyncio.create_task(tokens(engine, ids))
    await asyncio.sleep(0.02)
    long.cancel()
    assert await running == alone
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_one_that_fails_does_not_disturb_the_others(engine: TransformersEngine) -> None:
    prompts = [sequence(30, seed) for seed in range(4)]
    alone = [await tokens(engine, ids) for ids in prompts]
    # Their first tokens are the same, so that those after it wait for what it begins.
    bad = [*prompts[1][:-1], 10**6]
    results = await asyncio.gather(
        tokens(engine, bad), *(tokens(engine, ids) for ids in prompts), tokens(engine, bad), return_exceptions=True
    )
    assert results[1:-1] == alone
    assert all(isinstance(result, EngineError) for result in (results[0], results[-1]))


async def test_a_forward_that_fails_for_one_reply_ends_that_reply_alone(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [sequence(30, seed) for seed in range(3)]
    alone = [await tokens(engine, ids) for ids in prompts]
    forward = Packed.__call__

    def failing(self: Packed, rows: Any) -> torch.Tensor:
        # In mid-reply, and after the caches were written.
        logits = forward(self, rows)
        if any(row.cache.length == 71 for row in rows):
            for row in rows:
                row.cache.length -= len(row.ids)
            raise RuntimeError("out of memory")
        return logits

    monkeypatch.setattr(Packed, "__call__", failing)
    results = await asyncio.gather(
        tokens(engine, sequence(66)), *(tokens(engine, ids) for ids in prompts), return_exceptions=True
    )
    assert results[1:] == alone
    assert isinstance(results[0], EngineError)


async def test_candidates_equal_requests_of_their_own(engine: TransformersEngine) -> None:
    ids = sequence(50)
    samplings = [Sampling(temperature=1.2, top_p=0.95, max_tokens=9, seed=seed) for seed in range(7, 11)]
    deltas = [delta async for delta in engine.generate(ids, samplings[0], n=4)]
    replies = [[i for d in deltas if d.candidate == index for i in d.token_ids] for index in range(4)]
    assert replies == [await tokens(engine, ids, sampling) for sampling in samplings]


async def test_what_requests_share_is_computed_once(engine: TransformersEngine) -> None:
    history = sequence(200)
    probes = [[*history, *sequence(10, seed)] for seed in range(5)]
    alone = [await tokens(engine, ids) for ids in probes]

    async def run(ids: list[int]) -> tuple[list[int], int]:
        deltas = [delta async for delta in engine.generate(ids, GREEDY)]
        return [i for delta in deltas for i in delta.token_ids], deltas[0].cached_tokens

    results = await asyncio.gather(*(run(ids) for ids in probes))
    assert [reply for reply, _ in results] == alone
    assert [cached for _, cached in results] == [0, 200, 200, 200, 200]


async def test_requests_of_one_conversation_share_its_cache_at_the_same_time(engine: TransformersEngine) -> None:
    history = sequence(100)
    await tokens(engine, history, session="a")
    probes = [[*history, *sequence(10, seed)] for seed in range(3)]
    alone = [await tokens(engine, ids) for ids in probes]
    assert await asyncio.gather(*(tokens(engine, ids, session="a") for ids in probes)) == alone


async def test_a_short_prompt_does_not_wait_for_a_long_one(engine: TransformersEngine) -> None:
    order: list[str] = []

    async def run(name: str, ids: list[int]) -> None:
        await tokens(engine, ids, Sampling(temperature=0, max_tokens=1))
        order.append(name)

    running = asyncio.create_task(tokens(engine, sequence(3), Sampling(temperature=0, max_tokens=200)))
    await asyncio.sleep(0.02)
    await asyncio.gather(run("long", sequence(500)), run("short", sequence(10)))
    running.cancel()
    assert order == ["short", "long"]


async def test_more_requests_than_run_at_once_take_turns(engine: TransformersEngine) -> None:
    replies = await asyncio.gather(*(tokens(engine, sequence(4, seed)) for seed in range(80)))
    assert all(replies)
