"""A small step is computed by one thread, and the others are there again after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from assistant.engines.forward import Cache, Row
from assistant.engines.packed import Packed, packed
from assistant.engines.quick_start import load_bundled
from assistant.engines.small_steps import SMALL_STEP, SmallStepsAlone

pytestmark = pytest.mark.usefixtures("three_threads")


class Counting:
    """A forward that notes how many threads compute it, and may fail."""

    most_rows = 4

    def __init__(self, forward: Packed) -> None:
        self._forward = forward
        self.threads: list[int] = []
        self.fails = False

    def new_cache(self) -> Cache:
        return self._forward.new_cache()

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        self.threads.append(torch.get_num_threads())
        if self.fails:
            raise RuntimeError("no memory")
        return self._forward(rows)


@pytest.fixture
def forward(tiny_model: Path) -> Counting:
    found = packed(load_bundled(tiny_model, torch.float32).eval())
    assert found
    return Counting(found)


@torch.inference_mode()
def test_one_thread_computes_a_small_step_and_all_a_large_one(forward: Counting) -> None:
    alone = SmallStepsAlone(forward, SMALL_STEP // 4)
    assert alone.most_rows == 4
    cache = alone.new_cache()
    alone([Row([5, 6, 7], cache)])
    alone([Row([8, 9, 10, 11], cache)])
    alone([Row([12], cache), Row([5, 6], alone.new_cache())])
    assert forward.threads == [1, 3, 1]
    assert torch.get_num_threads() == 3
    assert cache.length == 8


def test_a_failing_step_gives_the_threads_back(forward: Counting) -> None:
    forward.fails = True
    with pytest.raises(RuntimeError):
        SmallStepsAlone(forward, 1)([Row([5], forward.new_cache())])
    assert forward.threads == [1]
    assert torch.get_num_threads() == 3
