"""The guard's benchmark measures what it says: it sees a leak where there is one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import pytest

from benchmarks.guard.coverage import count
from benchmarks.guard.leak import KINDS, leak
from benchmarks.guard.leak_peers import peers_leak
from benchmarks.guard.texts import FIRST, PHRASE, SECOND, VIOLATION, Kind, Planted, pieces, planted
from benchmarks.guard.virtual_time import VirtualTimeLoop
from benchmarks.peers.serve import Event, Note, Trace, follow


def traced(*events: tuple[str, str]) -> Trace:
    return Trace([Event(0.0, "passed" if kind == "passed" else "shown", text) for kind, text in events], 0.0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_violation_is_where_it_is_said_to_be(kind: Kind) -> None:
    for seed in range(100):
        rng = random.Random(seed)
        text = planted(kind, rng.randint(2, 100), rng)
        start, end = text.violation
        assert "".join(pieces(text.text, rng)) == text.text
        if kind == "clean":
            assert VIOLATION.search(text.text) is None
        elif kind == "phrase":
            assert text.text[start:end] == PHRASE
        else:
            assert text.text[start:end].startswith(FIRST)
            assert text.text[start:end].endswith(SECOND)
            assert VIOLATION.search(text.text[: end - 1]) is None


def test_what_is_shown_before_a_verdict_is_counted() -> None:
    text = Planted(("one ", "two ", "three "), "clean")
    found = count(text, traced(("shown", "one "), ("passed", "one two "), ("shown", "two three ")))
    assert (found.characters, found.unjudged, found.out_of_context) == (14, 10, 10)


def test_what_a_judge_saw_out_of_context_is_counted() -> None:
    text = Planted(("one ", "two ", "three "), "clean")
    events = [("passed", "one "), ("shown", "one "), ("passed", "two "), ("shown", "two ")]
    found = count(text, traced(*events))
    assert (found.unjudged, found.out_of_context, found.cut) == (0, 4, 1)


def test_a_judge_who_saw_something_else_is_an_error() -> None:
    with pytest.raises(AssertionError):
        count(Planted(("one ",), "clean"), traced(("passed", "two ")))


def test_the_commit_window_does_not_leak_and_no_guard_does() -> None:
    for found in leak(300, 0).values():
        assert (found.unjudged, found.out_of_context, found.whole, found.cut) == (0, 0, 0, 0)
        assert found.characters
    control = peers_leak([], 5, 0, print)["no guard"]
    assert control.unjudged == control.characters > 0
    assert control.whole == control.violations


def test_virtual_time_passes_in_order_and_takes_none() -> None:
    woken: list[int] = []

    async def sleep(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def sleepers() -> float:
        await asyncio.gather(*map(sleep, (3000, 1000, 2000)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(500):
                await asyncio.sleep(1000)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(sleepers()) == pytest.approx(3500)
    assert woken == [1000, 2000, 3000]
    assert time.monotonic() - started < 60


async def test_a_slow_reader_does_not_slow_the_model() -> None:
    async def slow(source: AsyncIterator[str], note: Note) -> AsyncGenerator[str, None]:
        async for piece in source:
            time.sleep(0.02)  # noqa: ASYNC251  a reader that lets nothing else happen meanwhile
            yield piece

    parts: Sequence[str] = ["a "] * 10
    trace = await follow(slow, parts, [0.02 * (index + 1) for index in range(10)], noted=False)
    assert trace.shown == "a " * 10
    # One after the other the writing and the reading would take 0.4 s.
    assert trace.total == pytest.approx(0.22, abs=0.15)
