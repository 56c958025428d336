from __future__ import annotations

import re

import pytest

from gatt import families
from gatt.errors import GattError
from gatt.evaluation.arms import Arm
from gatt.evaluation.cases import draw_cases
from gatt.evaluation.histories import compliant, violating
from gatt.evaluation.journal import Journal
from gatt.evaluation.material import Material, Said
from tests.gatt.evaluation.obeying import MATERIAL, ObeyingEngine, cases, obedient


def test_a_violating_history_violates_and_keeps_the_users_words() -> None:
    for case in cases(6):
        history = violating(case, MATERIAL, turns=5, seed=0)
        assert [user.content for user, _ in history] == [said.user for said in case.said[:5]]
        assert not any(one.check.passes(reply.content) for _, reply in history for one in case.style())


def test_an_answer_that_happens_to_obey_is_exchanged() -> None:
    mixed = Material(((Said("One?", "Just one sentence."), Said("Two?", "Two. Sentences.")),) * 8)
    case = cases(4)[1]
    assert case.style()[0].family == "sentence"
    answers = {reply.content for _, reply in violating(case, mixed, turns=6, seed=0)}
    assert "Just one sentence." not in answers


def test_a_source_that_only_obeys_is_refused() -> None:
    obeying = Material(((Said("One?", "Just one sentence."),),) * 8)
    with pytest.raises(GattError, match=r"no answer of the source breaks .*leave the family 'sentence' out"):
        violating(
            draw_cases(families.load(), ["sentence"], (), obeying, turns=(6,), n=1, seed=0)[0], obeying, turns=6, seed=0
        )


def test_a_source_without_answers_has_no_violating_history() -> None:
    with pytest.raises(GattError, match="user turns only"):
        violating(cases(1)[0], Material(((Said("One?", None),),)), turns=2, seed=0)


async def test_a_compliant_history_complies_and_skips_what_cannot() -> None:
    case = cases(1)[0]
    stubborn = case.said[1].user

    def speak(prompt: str) -> str:
        return "never" if prompt.rstrip().endswith(f"{stubborn}<|end|><|assistant|>") else obedient(case)

    engine = ObeyingEngine(speak)
    history, skipped = await compliant(
        case, Arm("helper", engine, reminds=True), Journal(None, {}), turns=5, tries=3, max_tokens=60, seed=0
    )
    assert skipped == 1
    assert [user.content for user, _ in history] == [said.user for said in case.said[:6] if said.user != stubborn]
    assert all(one.check.passes(reply.content) for _, reply in history for one in case.style())
    assert len(engine.prompts) == 5 + 3
    assert len({sampling.seed for sampling in engine.samplings}) == 8
    # The instruction is joined to the newest message, and only the exchange before is shown.
    for prompt in engine.texts():
        assert len(re.findall(re.escape(case.text), prompt)) == 2
        assert prompt.count("<|user|>") <= 2
