from __future__ import annotations

from typing import Any

from gatt.evaluation.survival import of, survivals
from gatt.evaluation.tables import HELD_OUT, NAME_AND_HOBBY, STYLE
from guardrails.statistics import Share

ASKED = {"figure": True, "closing": False, "haiku": False}


def test_a_lapse_ends_survival_even_if_the_model_comes_back() -> None:
    dialogues = [{1: True, 2: False, 3: True}, {1: True, 2: True, 3: True}]
    survival = of("gatt", STYLE, dialogues)
    assert survival.curve == (Share(2, 2), Share(1, 2), Share(1, 2))
    assert survival.conditional == (Share(2, 2), Share(1, 2), Share(1, 1))
    assert survival.half_lapsed is None


def test_half_have_lapsed_at_the_first_turn_where_fewer_than_half_are_left() -> None:
    dialogues = [{1: True, 2: turn > 2, 4: turn > 4} for turn in (1, 2, 4, 4, 9)]
    assert of("gatt", STYLE, dialogues).half_lapsed == 4


def test_styles_survive_by_reply_and_names_by_measured_turn() -> None:
    def reply(case: int, turn: int, **kept: bool) -> dict[str, Any]:
        return {"arm": "gatt", "case": case, "turn": turn, "kept": kept}

    lived = [reply(0, 1, closing=True), reply(0, 2, closing=False), reply(1, 1, haiku=True), reply(1, 2, haiku=True)]
    probes = [
        {"arm": "gatt", "case": 0, "turn": turn, "family": "figure", "history": history, "passed": passed}
        for turn, history, passed in ((1, "own", True), (6, "own", False), (1, "violating", False))
    ]
    found = survivals(lived, probes, ["gatt"], ASKED, ["haiku"])
    assert {(one.group, one.turns, one.curve) for one in found} == {
        (NAME_AND_HOBBY, (1, 6), (Share(1, 1), Share(0, 1))),
        (STYLE, (1, 2), (Share(1, 1), Share(0, 1))),
        (HELD_OUT, (1, 2), (Share(1, 1), Share(1, 1))),
    }


def test_held_out_families_of_both_kinds_share_the_turns_that_both_have() -> None:
    style, asked = {1: True, 2: True, 3: False, 4: True}, {1: True, 4: True}
    survival = of("gatt", HELD_OUT, [style, asked])
    assert survival.turns == (1, 4)
    assert survival.curve == (Share(2, 2), Share(1, 2))
