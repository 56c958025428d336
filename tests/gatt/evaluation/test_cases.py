from __future__ import annotations

from collections import Counter

import pytest

from gatt import families
from gatt.errors import GattError
from gatt.evaluation.cases import draw_cases, obeys
from gatt.evaluation.material import Material, Said
from gatt.families import Constraint
from guardrails.checks.check import Check
from tests.gatt.evaluation.obeying import MATERIAL, NAMES, TURNS, cases


def test_the_same_seed_draws_the_same_and_more_cases_do_not_change_the_first() -> None:
    assert cases(3) == cases(8)[:3]
    assert cases(3) != cases(3, seed=2)


def test_every_case_has_a_name_and_a_hobby_and_the_others_take_turns() -> None:
    drawn = cases(8)
    assert all({"figure", "hobby"} < {one.family for one in case.instruction.constraints} for case in drawn)
    assert Counter(case.style()[0].family for case in drawn) == {"closing": 4, "sentence": 4}


def test_families_that_do_not_go_together_are_not_put_together() -> None:
    case = cases(1, ["figure", "hobby", "haiku"])[0]
    assert [one.family for one in case.instruction.constraints] == ["haiku"]


def test_values_and_probes_are_those_kept_for_evaluation() -> None:
    shipped = families.load()
    for case in cases(12):
        for one in case.instruction.constraints:
            assert one.value in {entry.value for entry in shipped[one.family].split("test")}
        for probes in case.probes.values():
            for probe in probes:
                asked = probe.constraint.probes or MATERIAL.openers
                assert probe.question in asked


@pytest.mark.parametrize("split", families.SPLITS)
def test_values_can_be_those_that_rows_may_name(split: families.Split) -> None:
    shipped = families.load()
    drawn = draw_cases(shipped, ["figure", "hobby"], [], MATERIAL, turns=TURNS, n=40, seed=0, values=split)
    told = {(one.family, one.value) for case in drawn for one in case.instruction.constraints}
    assert told <= {(name, entry.value) for name in ("figure", "hobby") for entry in shipped[name].split(split)}


def test_a_style_is_probed_by_an_ordinary_message_that_the_dialogue_does_not_have() -> None:
    for case in cases(6, turns=(1, 2, 4)):
        said = {one.user for one in case.said}
        style = [probe for probes in case.probes.values() for probe in probes if not probe.constraint.probes]
        assert len(style) == 3
        assert all(probe.question not in said for probe in style)


def test_the_dialogue_itself_never_asks_about_the_instruction() -> None:
    shipped = families.load()
    question = shipped["hobby"].probes[0].upper()
    asking = Material((*MATERIAL.dialogues, *(((Said(question, "Chess."), Said("Ah.", "Yes.")),) * 99)))
    for case in draw_cases(shipped, NAMES, (), asking, turns=TURNS, n=9, seed=1):
        assert question not in {one.user for one in case.said}
        assert "Ah." in {one.user for one in case.said}


def test_half_of_the_instructions_are_terse() -> None:
    assert 60 < sum(case.terse for case in cases(150)) < 90


def test_held_out_families_are_labelled() -> None:
    drawn = draw_cases(families.load(), NAMES, ("sentence",), MATERIAL, turns=TURNS, n=2, seed=0)
    labels = {probe.constraint.family: probe.held_out for case in drawn for probe in case.probes[1]}
    assert labels == {"closing": False, "figure": False, "hobby": False, "sentence": True}


def test_a_short_source_is_refused_with_the_sizes() -> None:
    with pytest.raises(GattError, match="has 24 user turns that can be used, but turn 60 needs as many"):
        cases(1, turns=(60,))


def test_an_empty_reply_obeys_nothing() -> None:
    quiet = Constraint("quiet", "", "Use no comma.", "No comma.", Check(kind="no_comma"))
    assert obeys(quiet, "fine", "?")
    assert not obeys(quiet, "", "?")


def test_a_check_that_throws_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def throws(self: Check, reply: str, prompt: str = "") -> bool:
        raise RuntimeError("boom")

    monkeypatch.setattr(Check, "passes", throws)
    quiet = Constraint("quiet", "", "Use no comma.", "No comma.", Check(kind="no_comma"))
    with pytest.raises(GattError, match="check of family 'quiet' failed on the reply 'fine': RuntimeError: boom"):
        obeys(quiet, "fine", "?")
