from __future__ import annotations

import pytest

from assistant.window import LOW_WATER, ContextError, Exchanged, fit
from guardrails.messages import Message
from tests.scripted_engine import bundled_template

INSTRUCTION = "You are Captain Redbeard. Say Arr in every reply.  Keep  the  spaces.\n\tAnd tabs — and ünïcode."
WINDOW, RESERVE = 512, 64


def script(turns: int) -> list[Exchanged]:
    return [
        (
            Message("user", f"Question {n}: " + "why " * (n % 7 + 1)),
            Message("assistant", f"Answer {n}. " + "so " * (n % 5)),
        )
        for n in range(turns)
    ]


@pytest.mark.parametrize("turns", [20, 60, 200])
def test_long_conversations_keep_the_instruction_and_the_newest_words(turns: int) -> None:
    template = bundled_template()
    history: list[Exchanged] = []
    dropped = 0
    drops = []
    for question, reply in script(turns):
        fitted = fit(template, INSTRUCTION, history, question, budget=WINDOW - RESERVE, dropped_turns=dropped)
        ids, spans = fitted.rendered.ids, fitted.rendered.spans
        assert len(ids) + RESERVE <= WINDOW
        assert template.decode(ids[spans[0].start : spans[0].end]) == INSTRUCTION
        assert template.decode(ids[spans[-1].start : spans[-1].end]) == question.content
        roles = [m.role for m in fitted.messages]
        assert roles == ["system", *(["user", "assistant"] * (len(roles) // 2 - 1)), "user"]
        kept = [m for pair in history[fitted.dropped_turns :] for m in pair]
        assert fitted.messages[1:-1] == kept
        if fitted.dropped_turns != dropped:
            drops.append(len(ids))
        dropped = fitted.dropped_turns
        history.append((question, reply))
    if turns > 20:
        assert drops, "the window was never full: the test proves nothing"
        # After a drop, room is left for several turns: the prompt's beginning changes rarely.
        assert all(size <= (WINDOW - RESERVE) * LOW_WATER for size in drops)
        assert len(drops) < turns / 4


def test_turns_come_back_when_the_window_grows() -> None:
    history = script(20)
    fitted = fit(bundled_template(), INSTRUCTION, history, Message("user", "hi"), budget=100_000, dropped_turns=12)
    assert fitted.dropped_turns == 0


def test_a_message_that_cannot_fit_is_refused_with_the_sizes() -> None:
    with pytest.raises(ContextError, match=r"takes \d+ tokens and the instruction \d+.*room for 448"):
        fit(bundled_template(), INSTRUCTION, script(3), Message("user", "word " * 600), budget=448)


def test_everything_goes_when_only_the_newest_message_fits() -> None:
    newest = Message("user", "word " * 380)
    fitted = fit(bundled_template(), INSTRUCTION, script(5), newest, budget=448)
    assert fitted.dropped_turns == 5
    assert fitted.messages[-1] == newest


def test_no_instruction_means_no_system_message() -> None:
    fitted = fit(bundled_template(), "", [], Message("user", "hi"), budget=448)
    assert [m.role for m in fitted.messages] == ["user"]


def test_dropped_turns_do_not_come_back_for_one_short_message() -> None:
    """Turns that come and go would change the prompt's beginning, and cost the cache, each time."""
    template, history = bundled_template(), script(14)
    size = len(fit(template, INSTRUCTION, history, Message("user", "hi"), budget=100_000).rendered.ids)
    budget = size + 5
    long = fit(template, INSTRUCTION, history, Message("user", "word " * 50), budget=budget)
    assert long.dropped_turns > 0
    short = fit(template, INSTRUCTION, history, Message("user", "hi"), budget=budget, dropped_turns=long.dropped_turns)
    assert short.dropped_turns == long.dropped_turns
