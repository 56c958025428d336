"""Adherence measures what was let through, and changes nothing of it."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from guardrails.adherence import Adherence, adherence
from guardrails.checks.check import Check
from guardrails.gate import CommitWindow, OpenGate, Withheld
from guardrails.judge import Verdict
from guardrails.messages import Message
from tests.guardrails.judges import stream, without

ARR = Check(kind="contains", value="arr")
SHORT = Check(kind="words", count=3, relation="at most")
HELLO = (Message("user", "Hello?"),)


@given(pieces=st.lists(st.text("ar .", max_size=4), max_size=12))
def test_the_text_is_the_same_and_the_verdict_comes_last(pieces: list[str]) -> None:
    async def released() -> list[object]:
        return [piece async for piece in Adherence(OpenGate(), [ARR, SHORT], 0.5).release(HELLO, stream(pieces))]

    found = asyncio.run(released())
    whole = "".join(pieces)
    assert "".join(piece for piece in found if isinstance(piece, str)) == whole
    verdicts = [piece for piece in found if isinstance(piece, Verdict)]
    assert len(verdicts) == bool(whole.strip())
    if verdicts:
        assert found[-1] is verdicts[0]
        assert verdicts[0].score == (ARR.passes(whole) + SHORT.passes(whole)) / 2


def test_what_is_not_kept_is_named_and_below_the_level_flagged() -> None:
    half = adherence([ARR, SHORT], "arr, one two three four", "", 0.5)
    assert (half.score, half.reason, half.decision, half.passed) == (0.5, "words", "pass", True)
    assert adherence([ARR, SHORT], "arr, one two three four", "", 0.6).decision == "flag"


async def test_a_reply_held_back_has_no_adherence() -> None:
    gate = Adherence(CommitWindow([without("treasure")]), [ARR], 0.5)
    found = [piece async for piece in gate.release(HELLO, stream(["the ", "treasure"]))]
    assert isinstance(found[-1], Withheld)
    assert not any(isinstance(piece, Verdict) and piece.judge == "persona" for piece in found)
