"""Best of n: the best that is good enough, or none; and nothing where a judge fails."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.audit import Audit, rows
from guardrails.best_of import BestOf
from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.scorer import Scorer

HELLO = (Message("user", "Hello?"),)
scores = st.floats(0, 1)


class Table:
    """Scores candidates by their place in a list: the reply is its number."""

    version = "7"

    def __init__(self, found: list[float], prompt: float = 0.9, *, delay: float = 0.0) -> None:
        self._found, self._prompt, self._delay = found, prompt, delay

    async def score(self, exchange: Exchange) -> float:
        await asyncio.sleep(self._delay)
        return self._found[int(exchange.reply)] if exchange.reply else self._prompt


def best(safety: Table, helpful: Table | None = None, floor: float = 0.5, **options: float | bool) -> BestOf:
    n = len(safety._found)
    return BestOf(cast(Scorer, safety), cast("Scorer | None", helpful), n=n, floor=floor, **options)  # type: ignore[arg-type]


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@given(safety=st.lists(scores, min_size=1, max_size=8), floor=scores)
def test_what_is_picked_is_never_below_the_floor(safety: list[float], floor: float) -> None:
    index, verdict = asyncio.run(best(Table(safety), floor=floor).pick(HELLO, names(len(safety))))
    assert verdict.passed == (max(safety) >= floor)
    assert safety[index] == max(safety) == verdict.score
    assert index == safety.index(max(safety))


async def test_helpfulness_ranks_what_is_safe() -> None:
    index, verdict = await best(Table([0.9, 0.8, 0.2]), Table([0.1, 0.7, 0.9])).pick(HELLO, names(3))
    assert (index, verdict.score) == (1, 0.8)


async def test_on_a_sensitive_prompt_safety_alone_ranks() -> None:
    index, _ = await best(Table([0.9, 0.8], prompt=0.1), Table([0.1, 0.7])).pick(HELLO, names(2))
    assert index == 0


@pytest.mark.parametrize("fail_open", [False, True])
@pytest.mark.parametrize("safety", [Table([0.9, math.nan]), Table([0.9]), Table([0.9, 0.9], delay=5)])
async def test_no_verdict_fails_closed_or_open(safety: Table, fail_open: bool) -> None:
    made = best(safety, seconds=0.05, fail_open=fail_open)
    _, verdict = await made.pick(HELLO, ["0", "1"])
    assert verdict.unavailable
    assert verdict.passed == fail_open


async def test_the_choice_is_on_record(tmp_path: Path) -> None:
    log = Audit(tmp_path / "log", policy="p")
    made = BestOf(cast(Scorer, Table([0.3, 0.7])), None, n=2, floor=0.5, audit=log)
    await made.pick(HELLO, names(2), "12")
    [row] = rows(tmp_path / "log")
    assert (row["judge"], row["conversation"], row["score"], row["decision"]) == ("best-of-n", "12", 0.7, "pass")
    log.close()
    _, verdict = await made.pick(HELLO, names(2))
    assert (verdict.passed, verdict.unavailable) == (False, True)
