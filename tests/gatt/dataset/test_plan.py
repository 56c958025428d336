"""Plans: a pure function of seed and number, with the shares and limits that the options name."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatt.dataset.plan import Options, Plan, due, plan
from gatt.dataset.sources import Dialogue, Source
from gatt.families import chosen, load
from tests.gatt.talking_engine import FAMILIES

SOURCE = Source(
    "chats",
    "0" * 64,
    tuple(
        Dialogue(f"chats:{i}", tuple(f"question {i}.{t}" for t in range(1 + i % 3)), (f"answer {i}",) * (1 + i % 3))
        for i in range(7)
    ),
)
NAMES = ["fruit", "pet", "shout"]


shipped = cache(load)


def planned(count: int, options: Options, source: Source = SOURCE) -> list[Plan]:
    return [plan(number, options, source, FAMILIES, NAMES) for number in range(count)]


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), numbers=st.lists(st.integers(0, 1000), min_size=1, max_size=5))
def test_a_plan_depends_on_seed_and_number_alone(seed: int, numbers: list[int]) -> None:
    options = Options(seed=seed, change=0.5)
    forwards = [plan(number, options, SOURCE, FAMILIES, NAMES) for number in numbers]
    backwards = [plan(number, options, SOURCE, FAMILIES, NAMES) for number in reversed(numbers)]
    assert forwards == backwards[::-1]


def test_another_seed_gives_other_plans() -> None:
    assert planned(5, Options(seed=1)) != planned(5, Options(seed=2))


@settings(deadline=None)
@given(low=st.integers(1, 6), more=st.integers(0, 6), seed=st.integers(0, 99))
def test_the_turns_are_those_drawn(low: int, more: int, seed: int) -> None:
    for one in planned(4, Options(seed=seed, turns=(low, low + more))):
        assert len(one.users) == len(one.answers) == one.length
        assert low <= one.length <= low + more


def test_shorter_dialogues_are_continued_by_others_of_the_source() -> None:
    for one in planned(50, Options(turns=(5, 5))):
        assert one.chained
        assert one.source.count("+") >= 1
        assert set(one.users) <= {user for dialogue in SOURCE.dialogues for user in dialogue.users}


def test_all_dialogues_are_used_equally_often() -> None:
    used = [one.source for one in planned(21, Options(turns=(1, 1)))]
    assert {used.count(dialogue.id) for dialogue in SOURCE.dialogues} == {3}


def test_half_of_the_instructions_are_terse_and_half_of_the_histories_constrained() -> None:
    plans = planned(600, Options())
    assert 240 < sum(one.terse for one in plans) < 360
    assert 240 < sum(one.history == "constrained" for one in plans) < 360


def test_combinations_have_up_to_the_constraints_asked_for() -> None:
    sizes = {len(one.instruction.constraints) for one in planned(100, Options(most=2))}
    assert sizes == {1, 2}


def test_the_readings_differ_in_history_alone() -> None:
    original = planned(30, Options(history="original"))
    constrained = planned(30, Options(history="constrained"))
    for a, b in zip(original, constrained, strict=True):
        assert (a.users, a.answers, a.instruction, a.terse, a.ask) == (
            b.users,
            b.answers,
            b.instruction,
            b.terse,
            b.ask,
        )
        assert (a.history, b.history) == ("original", "constrained")


def test_a_share_of_the_rows_asks_for_what_only_a_question_brings_out() -> None:
    with_pet = [one for one in planned(300, Options(ask=0.5)) if "pet" in one.families()]
    asked = [one for one in with_pet if one.ask]
    assert 0.35 < len(asked) / len(with_pet) < 0.65
    assert all(one.ask in FAMILIES["pet"].asks for one in asked)
    assert not any(one.ask for one in planned(100, Options(ask=0)))


def test_what_is_asked_for_is_never_learned_in_the_words_of_the_evaluation() -> None:
    probing = Source("chats", "0" * 64, (Dialogue("chats:1", ("which pet is yours",), ("None.",)),))
    plans = planned(200, Options(ask=0, turns=(1, 2)), probing)
    told = [one for one in plans if "pet" in one.families()]
    assert told
    assert all(one.ask in FAMILIES["pet"].asks for one in told)
    assert not any(one.ask for one in plans if "pet" not in one.families())


def test_a_question_is_asked_only_for_what_rules_at_the_end() -> None:
    for one in planned(300, Options(ask=1, change=1, turns=(2, 4))):
        ruling = one.ruling(one.length)
        assert bool(one.ask) == bool(ruling.asked_for())


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_newer_instruction_rules_from_its_turn_on(seed: int) -> None:
    for one in planned(3, Options(seed=seed, change=1, turns=(1, 5))):
        if one.change is None:
            assert one.length == 1
            continue
        assert 2 <= one.change.turn <= one.length
        assert one.ruling(one.change.turn - 1) is one.instruction
        assert one.ruling(one.change.turn) is one.change.instruction
        assert one.change.instruction != one.instruction


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), change=st.sampled_from([0.0, 1.0]))
def test_families_held_out_and_values_for_evaluation_never_enter(seed: int, change: float) -> None:
    families = shipped()
    names = chosen(families, (), ("haiku", "sentence", "emoji"))
    for number in range(5):
        one = plan(number, Options(seed=seed, change=change), SOURCE, families, names)
        assert not {"haiku", "sentence", "emoji"} & set(one.families())
        for instruction in (one.instruction, *([one.change.instruction] if one.change else [])):
            for constraint in instruction.constraints:
                assert constraint.value in [e.value for e in families[constraint.family].split("train")]


def test_requests_have_seeds_of_their_own() -> None:
    seeds = {
        one.sampling_seed(turn, attempt) for one in planned(20, Options()) for turn in (1, 2) for attempt in (0, 1)
    }
    assert len(seeds) == 80
    assert max(seeds) + 256 < 2**63


def test_a_constraint_is_due_when_the_user_asks_in_whatever_capitals() -> None:
    one = next(one for one in planned(99, Options()) if one.families() == ("pet",))
    for user in ("Have you a pet?", "have you a pet", "WHICH PET IS YOURS?!"):
        assert [constraint.family for constraint in due(one.instruction, user)] == ["pet"]
    assert due(one.instruction, "Tell me of pets.") == []


def test_a_share_of_dialogues_has_no_instruction() -> None:
    plans = planned(600, Options(plain=0.2, per_dialogue=2, change=0.5))
    bare = [one for one in plans if not one.families()]
    assert 80 < len(bare) < 160
    assert not any(one.change or one.ask or one.terse for one in bare)


def test_the_rows_of_a_dialogue_differ_in_turns_and_question_alone() -> None:
    plans = planned(30, Options(turns=(2, 9), per_dialogue=3, change=0.5))
    for first in range(0, 30, 3):
        rows = plans[first : first + 3]
        assert len({row.dialogue for row in rows}) == len({row.instruction for row in rows}) == 1
        assert [row.length for row in rows] == sorted({row.length for row in rows})
        for row in rows:
            assert row.users == rows[-1].users[: row.length]
            assert row.source == "+".join(rows[-1].source.split("+")[: row.source.count("+") + 1])
            assert row.chained == ("+" in row.source)
            assert row.change is None or row.change == rows[-1].change
            assert (row.change is None) == (rows[-1].change is None or rows[-1].change.turn > row.length)


def test_a_dialogue_has_no_more_rows_than_numbers_of_turns() -> None:
    with pytest.raises(ValueError, match="widen --turns"):
        Options(turns=(3, 5), per_dialogue=4)


def test_turns_are_a_range() -> None:
    with pytest.raises(ValueError, match="LOW-HIGH"):
        Options(turns=(3, 2))
