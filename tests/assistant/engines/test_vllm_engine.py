"""The real vLLM on the bundled model: what every engine keeps, and what vLLM alone does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.errors import EngineError
from assistant.engines.vllm_engine import VllmEngine
from assistant.events import Failed, Finished
from assistant.personas.library import PersonaLibrary
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.store import Store
from tests.assistant.engines.contract import GREEDY, EngineContract, collect, prompt, reference, text, tokens
from tests.assistant.engines.vllm import SMALL, make_adapter, needs_vllm, quiet, together

pytestmark = [needs_vllm, together, quiet]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(tmp_path_factory.mktemp("adapters") / "odd")


@pytest.fixture(scope="module")
def engine(adapter: Path) -> Iterator[VllmEngine]:
    engine = VllmEngine(BUNDLED_FOLDER, settings=SMALL, adapters={"odd": adapter})
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
def folder() -> Path:
    return BUNDLED_FOLDER


@pytest.fixture
def block() -> int:
    """Whole blocks are reused."""
    return 32


class TestContract(EngineContract):
    pass


PROMPTS = ["Who are you?", "What is rain?", "Tell me about the sea.", "Thank you!", "1 2 3", "Why, world?"]


async def test_greedy_decoding_equals_the_librarys_own_on_many_prompts(engine: VllmEngine) -> None:
    prompts = [prompt(engine, words) for words in PROMPTS]
    made = await asyncio.gather(*(collect(engine, ids, Sampling(temperature=0, max_tokens=24)) for ids in prompts))
    assert list(map(tokens, made)) == [reference(BUNDLED_FOLDER, ids, 24) for ids in prompts]


async def test_text_and_ends_equal_the_transformers_engines(engine: VllmEngine) -> None:
    from assistant.engines.quick_start import load_bundled
    from assistant.engines.transformers_engine import TransformersEngine

    other = TransformersEngine(BUNDLED_FOLDER, threads=1, load=load_bundled)
    for words in PROMPTS[:3]:
        for stop in ((), ("e ", "."), ("\n",)):
            sampling = Sampling(temperature=0, max_tokens=40, stop=stop)
            ours, theirs = [await collect(one, prompt(one, words), sampling) for one in (engine, other)]
            assert (text(ours), ours[-1].finish_reason) == (text(theirs), theirs[-1].finish_reason)
            assert tokens(ours) == tokens(theirs)
    await other.close()


async def test_an_adapter_answers_by_its_name_as_peft_does(engine: VllmEngine, adapter: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert engine.adapters == ["odd"]
    odd = engine.with_adapter("odd")
    assert odd.model == "odd"
    ids = prompt(engine, "hello there")
    base: Any = AutoModelForCausalLM.from_pretrained(BUNDLED_FOLDER, dtype=torch.float32)
    model: Any = PeftModel.from_pretrained(base, adapter)
    expected = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :].tolist()
    # Side by side, and each its own.
    adapted, plain = await asyncio.gather(collect(odd, ids, GREEDY), collect(engine, ids, GREEDY))
    assert tokens(adapted) == expected
    assert tokens(plain) == reference(BUNDLED_FOLDER, ids, 12)
    assert tokens(adapted) != tokens(plain)
    with pytest.raises(EngineError, match="no adapter 'even': this engine has odd"):
        engine.with_adapter("even")


async def test_what_is_cancelled_is_aborted(engine: VllmEngine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1, max_tokens=1000)
    tasks = [asyncio.create_task(collect(engine, prompt(engine, f"story {i}"), sampling)) for i in range(8)]
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # One more request makes the worker heed it; vLLM must then hold nothing of the eight.
    await collect(engine, prompt(engine, "hi"), Sampling(max_tokens=1))
    worker = engine.worker
    assert not worker.running
    assert worker.engine is not None
    assert not worker.engine.has_unfinished_requests()


async def test_sixty_four_conversations_are_computed_together(engine: VllmEngine) -> None:
    sampling = Sampling(temperature=1.5, top_p=1, max_tokens=8)
    steps = 0
    worker = engine.worker
    assert worker.engine is not None
    step = worker.engine.step

    def counted() -> Any:
        nonlocal steps
        steps += 1
        return step()

    worker.engine.step = counted
    await asyncio.gather(*(collect(engine, prompt(engine, f"story {i}"), sampling) for i in range(64)))
    del worker.engine.step
    # Alone, one after the other, they would take 64 times 8.
    assert steps < 60


async def test_a_dead_engine_fails_the_turn_and_the_next_one_starts_it_again(
    engine: VllmEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = engine.worker
    assert worker.engine is not None
    runner = worker.engine.model_executor.driver_worker.worker.model_runner
    compute, calls = runner.execute_model, 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise RuntimeError("device lost\nand many lines more")
        return compute(*arguments, **options)

    monkeypatch.setattr(runner, "execute_model", dying)
    with Store.open(str(tmp_path / "chat.db")) as store:
        assistant = Assistant(store, engine)
        persona = store.save_persona(PersonaLibrary().get("professor"))
        conversation = store.create_conversation(persona.id).id
        turn = await assistant.send(conversation, "What is gravity?")
        ended = await turn.wait()
        assert isinstance(ended, Failed)
        assert ended.error == "vLLM failed (device lost); it is started again with the next message"
        failed = store.message(turn.reply_id)
        assert failed.status == "failed"
        assert failed.content  # what came before is kept
        again = await assistant.retry(conversation)
        assert isinstance(await again.wait(), Finished)
        assert store.message(again.reply_id).status == "complete"
    ids = prompt(engine, "hello there")
    assert tokens(await collect(engine, ids, GREEDY)) == reference(BUNDLED_FOLDER, ids, 12)
    assert tokens(await collect(engine.with_adapter("odd"), ids, GREEDY)) != reference(BUNDLED_FOLDER, ids, 12)


async def test_by_turn_twenty_nine_tenths_of_a_prompt_come_from_the_cache(engine: VllmEngine) -> None:
    words: list[str] = []
    for turn in range(20):
        words.append(f"Turn {turn}: " + "tell me one more thing, please. " * 3)
        ids = prompt(engine, *words)
        deltas = await collect(engine, ids, Sampling(temperature=0.7, seed=turn, max_tokens=16))
        words.append(text(deltas))
        cached = sum(delta.cached_tokens for delta in deltas)
    assert cached >= 0.9 * len(ids)


def test_a_folder_without_a_model_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="vLLM cannot load") as caught:
        VllmEngine(tmp_path)
    assert "\n" not in str(caught.value)
