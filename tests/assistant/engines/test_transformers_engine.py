from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.engines.errors import EngineError
from assistant.engines.transformers_engine import TransformersEngine
from tests.assistant.engines.contract import GREEDY, EngineContract, collect, prompt, tokens


@pytest.fixture
def folder(tiny_model: Path) -> Path:
    return tiny_model


@pytest.fixture
def block() -> int:
    """Every token is reused but the last."""
    return 1


@pytest.fixture
async def engine(folder: Path) -> AsyncIterator[TransformersEngine]:
    engine = TransformersEngine(folder, threads=1)
    yield engine
    await engine.close()


class TestContract(EngineContract):
    pass


async def test_a_kept_cache_is_its_conversations_own(engine: TransformersEngine) -> None:
    first = prompt(engine, "hello")
    reply = tokens(await collect(engine, first, GREEDY, session="a"))
    longer = [*first, *reply[:-1], *prompt(engine, "and then?")[1:]]
    fresh = await collect(engine, longer, GREEDY)
    assert fresh[0].cached_tokens == 0


async def test_a_rewritten_history_reuses_only_what_is_the_same(engine: TransformersEngine) -> None:
    await collect(engine, prompt(engine, "one two three", "four", "five"), GREEDY, session="a")
    changed = prompt(engine, "one two three", "FOUR", "five")
    cached = await collect(engine, changed, GREEDY, session="a")
    assert 0 < cached[0].cached_tokens < len(changed)
    assert tokens(cached) == tokens(await collect(engine, changed, GREEDY))


async def test_a_closed_engine_says_so(tiny_model: Path) -> None:
    engine = TransformersEngine(tiny_model)
    await engine.close()
    with pytest.raises(EngineError, match="closed"):
        await collect(engine, [1, 2], GREEDY)


def test_a_folder_without_a_model_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot load a chat model"):
        TransformersEngine(tmp_path)
