"""Making a row: the instruction is in every user message of the prompt, and in front of the stored row alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gatt.dataset.plan import Change, Options, Plan
from gatt.dataset.sampling import Dropped, Tools, distill, make
from gatt.dataset.selfplay import write
from gatt.families import Constraint, Instruction
from gatt.rows import Row
from guardrails.checks.check import Check
from guardrails.messages import Message
from tests.gatt.talking_engine import FAMILIES, Speaker, TalkingEngine, last_user, obey


def constraint(family: str, value: str = "") -> Constraint:
    from random import Random

    of = FAMILIES[family]
    return of.constraint(family, next(entry for entry in of.choices() if entry.value == value), Random(0))


APPLE = Instruction((constraint("fruit", "apple"),))
SHOUT = Instruction((constraint("shout"),))
DOG = Instruction((constraint("pet", "dog"),))


def planned(turns: int = 3, instruction: Instruction = APPLE, **fields: Any) -> Plan:
    base = Plan(
        number=5,
        dialogue=5,
        seed=1,
        source="chats:1",
        length=turns,
        users=tuple(f"question {turn}" for turn in range(1, turns + 1)),
        answers=tuple(f"source answer {turn}" for turn in range(1, turns + 1)),
        topic=None,
        chained=False,
        instruction=instruction,
        change=None,
        terse=False,
        history="original",
        ask=None,
    )
    return replace(base, **fields)


def tools(speaker: Speaker = obey, window: int = 2048, **fields: Any) -> Tools:
    options = Options(
        max_tokens=32, **{name: fields.pop(name) for name in ("k", "retries", "distill_prefix") if name in fields}
    )
    return Tools(TalkingEngine(speaker, window=window), options, **fields)


def prompts(of: Tools) -> list[str]:
    assert isinstance(of.engine, TalkingEngine)
    return of.engine.prompts


def contents(row: Row, role: str) -> list[str]:
    return [turn.content for turn in row.messages if turn.role == role]


@pytest.mark.parametrize("history", ["original", "constrained"])
async def test_the_instruction_is_joined_to_every_user_message_of_the_prompt(history: str) -> None:
    made = tools()
    await make(planned(history=history), made)
    last = prompts(made)[-1]
    assert last.count("Say apple in every reply.\n\nquestion") == 3
    assert "<|system|>" not in last


@pytest.mark.parametrize("history", ["original", "constrained"])
@pytest.mark.parametrize("terse", [False, True])
async def test_the_stored_row_has_the_instruction_in_front_alone(history: str, terse: bool) -> None:
    row = await make(planned(history=history, terse=terse), tools())
    assert row.messages[0].content == ("Fruit: apple." if terse else "Say apple in every reply.")
    assert contents(row, "user") == ["question 1", "question 2", "question 3"]
    assert not any("in every reply" in turn.content for turn in row.messages[1:])
    assert (row.turns, row.families, row.checks) == (3, ("fruit",), (Check(kind="contains", value="apple"),))


async def test_the_readings_differ_in_the_answers_before_the_last_alone() -> None:
    original = await make(planned(history="original"), tools())
    constrained = await make(planned(history="constrained"), tools())
    assert contents(original, "assistant")[:-1] == ["source answer 1", "source answer 2"]
    assert all("apple" in answer for answer in contents(constrained, "assistant"))
    assert contents(original, "user") == contents(constrained, "user")
    assert original.messages[0] == constrained.messages[0]


async def test_answers_that_the_source_lacks_are_sampled_without_the_instruction() -> None:
    made = tools()
    row = await make(planned(answers=("source answer 1", None, None)), made)
    assert "Say apple" not in prompts(made)[0]
    assert "source answer 1" in prompts(made)[0]
    assert "apple" not in contents(row, "assistant")[1]


async def test_a_question_takes_the_last_user_message_and_is_checked() -> None:
    row = await make(planned(instruction=DOG, ask="Have you a pet?"), tools())
    assert contents(row, "user")[-1] == "Have you a pet?"
    assert row.probed == "pet"
    assert row.checks == (Check(kind="contains", value="dog"),)
    row = await make(planned(instruction=DOG), tools())
    assert (row.probed, row.checks) == (None, ())


async def test_candidates_that_disobey_are_refused_with_their_reasons() -> None:
    def one_in_four(prompt: str, seed: int) -> str:
        return ["apple, but Say apple in every reply.", "", "no fruit", "an apple"][seed % 4]

    made = tools(one_in_four, k=4)
    row = await make(planned(1), made)
    assert row.messages[-1].content == "an apple"
    assert dict(made.refused) == {"repeats the instruction": 1, "empty": 1, "check failed: fruit": 1}


async def test_a_reply_that_is_cut_off_is_refused() -> None:
    with pytest.raises(Dropped, match="cut off"):
        await make(planned(1), tools(lambda prompt, seed: "apple " * 100))


async def test_a_name_that_is_the_whole_terse_instruction_may_be_said() -> None:
    named = Constraint("figure", "Napoleon", "Act as Napoleon.", "Napoleon.", Check(kind="contains", value="Napoleon"))
    row = await make(planned(1, instruction=Instruction((named,))), tools(lambda prompt, seed: "I am Napoleon."))
    assert row.messages[-1].content == "I am Napoleon."


async def test_a_row_is_tried_again_with_other_seeds_then_dropped() -> None:
    made = tools(lambda prompt, seed: f"no {seed}", k=2, retries=3)
    with pytest.raises(Dropped, match="check failed: fruit"):
        await make(planned(1), made)
    assert len(prompts(made)) == 4
    assert made.refused["check failed: fruit"] == 8


async def test_a_constrained_answer_that_never_obeys_drops_the_row() -> None:
    def forgets(prompt: str, seed: int) -> str:
        return obey(prompt, seed) if "question 2" not in last_user(prompt) else "no"

    with pytest.raises(Dropped, match="check failed: fruit"):
        await make(planned(history="constrained"), tools(forgets))
    assert await make(planned(history="original"), tools(forgets))


async def test_a_verifier_that_throws_is_a_reason_with_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Check, reply: str, prompt: str = "") -> bool:
        raise RuntimeError("no dictionary")

    monkeypatch.setattr(Check, "passes", broken)
    with pytest.raises(Dropped, match="verifier failed: fruit"):
        await make(planned(1), tools())


async def test_a_reward_model_ranks_those_that_obey() -> None:
    seen: list[list[Message]] = []

    def shortest(dialogue: list[Message], answer: str) -> float:
        seen.append(dialogue)
        if "8" in answer:
            raise RuntimeError("out of memory")
        return float("nan") if "9" in answer else -len(answer)

    replies = ["apple 8", "a long apple 1", "apple 8", "the apple 2", "apple 9", "no"]
    made = tools(lambda prompt, seed: replies[seed % 6], k=6, reward=shortest)
    row = await make(planned(2), made)
    assert row.messages[-1].content == "the apple 2"
    refused = {"the reward model failed": 2, "the reward is not a number": 1, "check failed: fruit": 1}
    assert dict(made.refused) == refused
    assert seen[0] == row.dialogue()[:-1]


async def test_without_a_reward_model_the_first_that_obeys_is_kept() -> None:
    made = tools(k=3)
    plan = planned(1)
    row = await make(plan, made)
    first = obey("<|user|>Say apple in every<|end|>", plan.sampling_seed(1, 0))
    assert row.messages[-1].content == first


async def test_a_newer_instruction_replaces_the_older_and_stands_in_its_turn() -> None:
    made = tools()
    row = await make(planned(4, change=Change(3, SHOUT), terse=True, history="constrained"), made)
    said = contents(row, "user")
    assert said == ["question 1", "question 2", "From now on: CAPITALS.\n\nquestion 3", "question 4"]
    assert row.messages[0].content == "Fruit: apple."
    assert row.changed_at == 3
    assert row.families == ("fruit", "shout")
    assert row.checks == (Check(kind="upper"),)
    assert [answer.isupper() for answer in contents(row, "assistant")] == [False, False, True, True]
    last = prompts(made)[-1]
    assert (last.count("Say apple in"), last.count("Use capital letters.")) == (2, 2)


async def test_the_answer_to_a_question_is_checked_where_the_instruction_has_just_changed() -> None:
    plan = planned(3, change=Change(3, DOG), ask="Have you a pet?")
    with pytest.raises(Dropped, match="check failed: pet"):
        await make(plan, tools(lambda prompt, seed: "I have none."))
    row = await make(plan, tools(lambda prompt, seed: "I have a dog."))
    assert row.probed == "pet"
    assert row.messages[-2].content.startswith("From now on: ")


async def test_a_dialogue_too_long_loses_its_oldest_exchanges() -> None:
    made = tools(window=130)
    row = await make(planned(12), made)
    assert 1 < row.turns < 12
    assert contents(row, "user")[-1] == "question 12"
    assert contents(row, "user")[0] == f"question {13 - row.turns}"
    assert contents(row, "assistant")[0] == f"source answer {13 - row.turns}"
    # The prompt repeats the instruction, the row does not: it holds more of the dialogue.
    assert prompts(made)[-1].count("question") < row.turns
    constrained = await make(planned(12, history="constrained"), tools(window=130))
    assert contents(constrained, "user")[-1] == "question 12"
    assert len(contents(constrained, "assistant")) == constrained.turns


async def test_a_newer_instruction_keeps_a_turn_of_the_older() -> None:
    row = await make(planned(12, change=Change(10, SHOUT)), tools(window=130))
    assert row.changed_at is not None
    assert 2 <= row.changed_at == row.turns - 2
    with pytest.raises(Dropped, match="too long for the window"):
        await make(planned(12, change=Change(2, SHOUT)), tools(window=130))


async def test_a_message_too_long_for_the_window_drops_the_row() -> None:
    with pytest.raises(Dropped, match="too long for the window"):
        await make(planned(1, users=("long " * 200,)), tools(window=130))


async def test_without_an_instruction_a_row_is_plain_dialogue() -> None:
    made = tools(lambda prompt, seed: "no" if "question" in prompt else "")
    row = await make(planned(instruction=Instruction(())), made)
    assert [turn.role for turn in row.messages] == ["user", "assistant"] * 3
    assert (row.messages[-1].content, row.checks, row.families) == ("no", (), ())
    assert "<|system|>" not in prompts(made)[-1]


async def test_requests_of_one_row_share_a_session() -> None:
    made = tools()
    await make(planned(history="constrained"), made)
    assert isinstance(made.engine, TalkingEngine)
    assert set(made.engine.sessions) == {"dialogue-5"}


async def test_self_play_writes_user_turns_with_roles_swapped() -> None:
    made = tools(
        lambda prompt, seed: f" turn {prompt.count('<|user|>')} {'person' if 'You are a person' in prompt else 'plain'}"
    )
    written = await write(planned(users=(), answers=(), topic="the sea"), made)
    assert written.users == ("turn 1 person", "turn 2 person", "turn 3 person")
    assert written.answers == ("turn 1 plain", "turn 2 plain", None)
    assert "about the sea" in prompts(made)[0]


async def test_self_play_that_repeats_itself_is_dropped() -> None:
    with pytest.raises(Dropped, match="self-play"):
        await write(planned(users=(), answers=(), topic="the sea"), tools(lambda prompt, seed: "Hello."))


def polite(dialogue: list[Message], answer: str) -> float:
    assert not any("Be polite" in message.content for message in dialogue)
    return float(answer.count("please"))


async def test_distillation_keeps_the_prefixed_answer_without_the_prefix() -> None:
    def speaker(prompt: str, seed: int) -> str:
        return "No, please." if "Be polite." in last_user(prompt) else "No."

    made = tools(speaker, distill_prefix="Be polite.", reward=polite)
    row = await distill(planned(2, instruction=Instruction(())), made)
    assert [turn.role for turn in row.messages] == ["user", "assistant", "user", "assistant"]
    assert row.messages[-1].content == "No, please."
    assert "Be polite" not in row.model_dump_json()
    assert prompts(made)[0].count("Be polite.\n\nquestion") == 2


async def test_distillation_drops_what_the_reward_does_not_prefer() -> None:
    with pytest.raises(Dropped, match="not better than without"):
        await distill(planned(1), tools(lambda p, s: "No.", distill_prefix="Be polite.", reward=polite))
    with pytest.raises(Dropped, match="no usable answer with the prefix"):
        await distill(planned(1), tools(lambda p, s: "Be polite.", distill_prefix="Be polite.", reward=polite))
    unscored = tools(lambda p, s: "No.", distill_prefix="Be polite.", reward=lambda d, a: float("nan"))
    with pytest.raises(Dropped, match="no usable answer with the prefix"):
        await distill(planned(1), unscored)
