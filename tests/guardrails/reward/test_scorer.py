"""The scorer: many conversations, one model, and one that fails takes no other with it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
import torch

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.policy import Stage
from guardrails.reward.judge import RewardJudge
from guardrails.reward.model import RewardModel
from guardrails.reward.scorer import AT_ONCE, Scorer
from tests.guardrails.reward.models import save


def exchange(reply: str) -> Exchange:
    return Exchange((Message("user", "Hello?"),), reply)


class Slow:
    """Scores are the replies' own numbers; "bad" fails."""

    version = "1"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.computing = 0

    def scores(self, exchanges: Sequence[Exchange]) -> list[float]:
        self.batches.append(len(exchanges))
        self.threads.add(threading.get_ident())
        self.computing = torch.get_num_threads()
        time.sleep(0.02)
        return [float(one.reply) for one in exchanges]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def scorer(slow: Slow) -> Iterator[Scorer]:
    made = Scorer(cast(RewardModel, slow))
    yield made
    made.close()


async def test_what_waits_is_scored_together_in_one_other_thread(slow: Slow, scorer: Scorer) -> None:
    wanted = [number / 40 for number in range(40)]
    found = await asyncio.gather(*(scorer.score(exchange(str(number))) for number in wanted))
    assert found == wanted
    assert max(slow.batches) == AT_ONCE
    assert slow.threads != {threading.get_ident()}
    assert len(slow.threads) == 1


@pytest.mark.usefixtures("three_threads")
async def test_what_an_engine_sets_for_its_own_thread_is_not_taken_over(slow: Slow) -> None:
    scorer = Scorer(cast(RewardModel, slow))
    torch.set_num_threads(1)  # at once: the scorer's thread has settled before there is a scorer
    try:
        await scorer.score(exchange("0.5"))
        assert slow.computing == 3
    finally:
        scorer.close()


async def test_one_that_cannot_be_scored_fails_alone(slow: Slow, scorer: Scorer) -> None:
    replies = ["0.1", "bad", "0.3"]
    found = await asyncio.gather(*(scorer.score(exchange(one)) for one in replies), return_exceptions=True)
    assert (found[0], found[2]) == (0.1, 0.3)
    assert isinstance(found[1], ValueError)
    assert await scorer.score(exchange("0.5")) == 0.5


async def test_nothing_is_scored_for_whom_has_left(slow: Slow, scorer: Scorer) -> None:
    waiting = [asyncio.create_task(scorer.score(exchange("0.2"))) for _ in range(20)]
    await asyncio.sleep(0.001)
    for task in waiting[4:]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await scorer.score(exchange("0.4")) == 0.4
    assert sum(slow.batches) <= 4 + 16 + 1


async def test_the_event_loop_goes_on_while_the_model_works(scorer: Scorer) -> None:
    ticks = 0
    task = asyncio.create_task(scorer.score(exchange("0.2")))
    while not task.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 3


async def test_a_scorer_closes_and_scores_what_waits_first(slow: Slow) -> None:
    made = Scorer(cast(RewardModel, slow))
    waiting = [asyncio.create_task(made.score(exchange("0.2"))) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(made.close)
    assert await asyncio.gather(*waiting) == [0.2] * 3


@pytest.mark.parametrize(("score", "passed"), [("0.5", True), ("0.49", False), ("nan", False)])
async def test_a_judge_passes_at_the_threshold_and_never_what_is_no_number(
    scorer: Scorer, score: str, passed: bool
) -> None:
    for action in ("block", "flag"):
        judge = RewardJudge(scorer, Stage(threshold=0.1), Stage(threshold=0.5, action=action))
        verdict = await judge.judge(exchange(score))
        assert verdict.passed == (passed or (action == "flag" and not math.isnan(float(score))))
        assert verdict.threshold == 0.5


async def test_prompts_have_a_threshold_of_their_own(tmp_path: Path) -> None:
    made = Scorer(RewardModel.load(save(tmp_path / "m", "encoder")))
    judge = RewardJudge(made, Stage(threshold=0.0), Stage(threshold=1.0))
    assert (await judge.judge(exchange(""))).passed
    assert not (await judge.judge(exchange("Hi."))).passed
    made.close()
