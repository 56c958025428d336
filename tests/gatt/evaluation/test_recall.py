from __future__ import annotations

from pathlib import Path

import pytest

from assistant.engines.errors import EngineError
from gatt.evaluation.arms import Arm, exchange
from gatt.evaluation.cases import Case
from gatt.evaluation.histories import HistoryKind
from gatt.evaluation.journal import Journal
from gatt.evaluation.meter import Meter
from gatt.evaluation.recall import Plan, Recall
from gatt.evaluation.tables import ALL, NAME_AND_HOBBY, STYLE, cells, costs
from tests.gatt.evaluation.obeying import MATERIAL, TURNS, ObeyingEngine, cases, obedient, obeys_before

ASKED = {"figure": True, "hobby": True, "closing": False, "sentence": False}


async def run(
    known: list[Case], arms: list[Arm], histories: tuple[HistoryKind, ...], journal: Journal | None = None
) -> Journal:
    journal = journal or Journal(None, {})
    helper = Arm("helper", ObeyingEngine(obeys_before(99, known)), reminds=True)
    plan = Plan(TURNS, histories, seed=3, concurrency=3)
    await Recall(plan, known, arms, helper, MATERIAL, journal, Meter()).run()
    return journal


def probes(journal: Journal) -> list[dict[str, object]]:
    return [record for key, record in journal.records.items() if key.startswith("probe/")]


@pytest.mark.parametrize("history", ["violating", "compliant", "own"])
async def test_an_engine_that_obeys_before_turn_5_gives_exactly_that_curve(history: HistoryKind) -> None:
    known = cases(4)
    journal = await run(known, [Arm("baseline", ObeyingEngine(obeys_before(5, known)))], (history,))
    found = cells(probes(journal), ["baseline"], ASKED)
    for group, n in ((NAME_AND_HOBBY, 8), (STYLE, 4)):
        curve = {
            cell.turn: (cell.share.passed, cell.share.n) for cell in found if (cell.group, cell.family) == (group, ALL)
        }
        assert curve == {1: (n, n), 2: (n, n), 4: (n, n), 6: (0, n)}


@pytest.mark.parametrize("history", ["violating", "own"])
async def test_probes_are_asked_on_a_branch_and_leave_the_dialogue_as_it_is(history: HistoryKind) -> None:
    known = cases(3)
    engine = ObeyingEngine(obeys_before(99, known))
    await run(known, [Arm("baseline", engine)], (history,))
    questions = {probe.question for case in known for asked in case.probes.values() for probe in asked}
    dialogue = {said.user for case in known for said in case.said}
    for prompt in engine.texts():
        *before, last = [part.split("<|end|>")[0] for part in prompt.split("<|user|>")[1:]]
        assert set(before) <= dialogue
        assert not set(before) & (questions - dialogue)
        assert last in questions | dialogue
        assert prompt.count("<|assistant|>") == len(before) + 1


async def test_all_arms_are_asked_the_same_with_the_same_seeds() -> None:
    known = cases(4)
    first, second = ObeyingEngine(obeys_before(99, known)), ObeyingEngine(obeys_before(3, known))
    journal = await run(known, [Arm("baseline", first), Arm("gatt", second)], ("violating", "compliant"))
    assert sorted(first.prompts) == sorted(second.prompts)
    assert sorted(s.seed or 0 for s in first.samplings) == sorted(s.seed or 0 for s in second.samplings)
    for cell in cells(probes(journal), ["baseline", "gatt"], ASKED):
        if cell.arm == "gatt" and cell.family == ALL:
            assert cell.against is not None
            # The dialogue is the same, so no item is passed by the second alone.
            assert (cell.against.only_first, cell.against.only_second) == (
                (cell.share.n, 0) if cell.turn > 2 else (0, 0)
            )


async def test_the_probes_of_a_dialogue_are_one_session_in_rising_turns() -> None:
    known = cases(2)
    engine = ObeyingEngine(obeys_before(99, known))
    await run(known, [Arm("baseline", engine)], ("violating",))
    for session in set(engine.sessions):
        lengths = [
            text.count("<|user|>") for text, of in zip(engine.texts(), engine.sessions, strict=True) if of == session
        ]
        assert lengths == sorted(lengths)
        assert len(lengths) == 12


async def test_turn_1_is_asked_once_for_all_histories() -> None:
    known = cases(2)
    engine = ObeyingEngine(obeys_before(99, known))
    journal = await run(known, [Arm("baseline", engine)], ("violating", "compliant"))
    assert sum(text.count("<|user|>") == 1 for text in engine.texts()) == 6
    assert sum(record["turn"] == 1 for record in probes(journal)) == 12


async def test_a_reminder_costs_its_tokens_at_every_turn_and_no_other_arm_pays() -> None:
    known = cases(2)
    plain, reminded = (ObeyingEngine(obeys_before(99, known)) for _ in range(2))
    arms = [Arm("baseline", plain), Arm("reminder", reminded, reminds=True)]
    journal = await run(known, arms, ("violating",))
    without, with_it = costs(probes(journal), ["baseline", "reminder"])
    assert without.reminder == 0
    assert with_it.prompt - without.prompt == pytest.approx(with_it.reminder)
    per_case = [plain.template.count(case.text + "\n\n") for case in known]
    assert with_it.reminder == pytest.approx(sum(per_case) / 2, abs=1)


def test_past_the_window_the_instruction_still_comes_first() -> None:
    engine = ObeyingEngine(lambda _: "", window=300)
    history = [exchange(f"Question {i}?", "A rather long answer that takes its room. " * 3) for i in range(60)]
    for arm in (Arm("baseline", engine), Arm("reminder", engine, reminds=True)):
        prompt = arm.prompt("Act as Napoleon.", history, "What is your name?", reserve=64)
        text = engine.template.decode(prompt.ids)
        assert len(prompt.ids) <= 300 - 64
        assert text.startswith("<s><|system|>Act as Napoleon.<|end|><|user|>")
        assert prompt.dropped_turns > 40
        assert "What is your name?" in text


async def test_a_killed_run_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    known = cases(3)
    path = tmp_path / "items.jsonl"
    dying = ObeyingEngine(obeys_before(5, known), fails_at=20)
    journal = Journal(path, {})
    with pytest.raises(EngineError, match="failed as told"):
        await run(known, [Arm("baseline", dying)], ("violating", "own"), journal)
    journal.close()
    finished = len(path.read_text().splitlines()) - 1
    assert finished > 10

    resumed = Journal(path, {}, resume=True)
    assert len(resumed.records) == finished
    engine = ObeyingEngine(obeys_before(5, known))
    await run(known, [Arm("baseline", engine)], ("violating", "own"), resumed)
    resumed.close()
    whole = ObeyingEngine(obeys_before(5, known))
    expected = await run(known, [Arm("baseline", whole)], ("violating", "own"))
    assert resumed.records == expected.records
    firsts = sum(key.startswith("first/") for key in resumed.records)
    assert firsts == 9
    assert len(engine.prompts) < len(whole.prompts)

    again = ObeyingEngine(obeys_before(5, known))
    done = Journal(path, {}, resume=True)
    await run(known, [Arm("baseline", again)], ("violating", "own"), done)
    done.close()
    assert again.prompts == []


async def test_an_own_history_is_made_of_the_arms_own_replies() -> None:
    known = cases(1)
    engine = ObeyingEngine(obeys_before(3, known))
    await run(known, [Arm("baseline", engine)], ("own",))
    longest = max(engine.texts(), key=lambda text: text.count("<|user|>"))
    assert longest.count(obedient(known[0])) == 2
    assert longest.count("Never again") == 3
