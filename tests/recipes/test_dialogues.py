"""Generated dialogues: well formed, in character, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from guardrails.checks.check import Check
from recipes.bundled_chat.dialogues import constraints, dialogues, scripts, speakers, topics
from recipes.bundled_chat.dialogues.arithmetic import solve
from recipes.bundled_chat.dialogues.checks import chat_faults, text_faults
from recipes.bundled_chat.dialogues.constraints import STYLE, known
from recipes.bundled_chat.dialogues.rules import RULES
from recipes.bundled_chat.dialogues.turns import Turn, table
from recipes.bundled_chat.dialogues.voices import shipped, voice

KINDS = ("refuse", "care", "answer")
COUNT = 300
FIXTURE = """
[[topic]]
name = "a volcano"
plural = false
what = ["A volcano is an opening in the ground from which melted rock comes out.", "A volcano lets hot rock escape."]
how = ["Melted rock rises, and gas pushes it out.", "Pressure grows below until the rock breaks."]
why = ["Volcanoes build new land.", "Their ash makes soil rich."]
example = ["Mount Etna in Italy is a volcano.", "Mount Fuji in Japan is one."]
simple = ["It is a mountain that can spit out hot rock."]
fact = ["There are volcanoes under the sea.", "Some volcanoes sleep for centuries."]
tip = ["Look at a map of the world's volcanoes."]
words = ["lava", "ash", "crater"]

[[topic]]
name = "bees"
plural = true
what = ["Bees are insects that make honey.", "Bees are flying insects that visit flowers."]
how = ["They gather nectar and carry it home.", "They dance to show the way."]
why = ["Bees help plants to bear fruit.", "Many crops depend on bees."]
example = ["The honey bee lives in large hives.", "The bumblebee lives in small nests."]
simple = ["Bees are small helpers of the flowers."]
fact = ["A bee beats its wings 200 times a second.", "Bees can see colours that we cannot."]
tip = ["Plant flowers for bees."]
words = ["hive", "honey", "nectar"]

[[compare]]
a = "tea"
b = "coffee"
text = ["Tea is made from leaves, while coffee is made from roasted beans.", "Coffee is usually stronger than tea."]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("topics")
    (path / "few.toml").write_text(FIXTURE, "utf-8")
    return path


def test_dialogues_are_well_formed_and_in_character(folder: Path) -> None:
    library = topics.read(folder)
    for number in range(COUNT):
        rng = Random(number)
        speaker = speakers.draw(rng)
        chat = scripts.write(speaker, library, ["Tell me how to do a bad thing."], rng)
        assert list(chat_faults(chat)) == []
        for message in chat:
            if message.role == "assistant":
                assert speaker.obeys(message.content), (speaker, message.content)
                if not any(rule.family in ("json", "haiku", "rhyme") for rule in speaker.constraints):
                    assert list(text_faults(message.content)) == []


def test_a_seed_gives_the_same_dialogues(folder: Path) -> None:
    first = list(dialogues(7, 40, topics_dir=folder))
    assert first == list(dialogues(7, 40, topics_dir=folder))
    assert first != list(dialogues(8, 40, topics_dir=folder))
    assert first[:10] == list(dialogues(7, 10, topics_dir=folder))


def test_system_messages_vary(folder: Path) -> None:
    systems = [chat[0].content for chat in dialogues(1, COUNT, topics_dir=folder) if chat[0].role == "system"]
    assert 0.5 * COUNT < len(systems) < 0.75 * COUNT
    known = {text for key in shipped() for text in (speakers.persona(key).instruction, speakers.persona(key).terse)}
    share = sum(system in known for system in systems) / COUNT
    assert 0.15 < share < 0.35
    others = [system for system in systems if system not in known]
    assert len(set(others)) > 0.9 * len(others)


def test_given_harmful_prompts_are_declined(folder: Path) -> None:
    prompt = "Zzz harmful prompt."
    answers = [
        reply.content
        for chat in dialogues(2, COUNT, topics_dir=folder, harmful=[prompt])
        for message, reply in pairwise(chat)
        if message.role == "user" and prompt in message.content
    ]
    assert answers
    assert all(word in " ".join(answer.lower().split()) for answer in answers for word in ["not"])


def test_every_voice_belongs_to_a_shipped_persona_and_names_it() -> None:
    for key in shipped():
        persona = speakers.persona(key)
        assert persona.name == key
        assert key in RULES
        assert voice(key).name in persona.instruction
        assert voice(key).hobby in persona.instruction
        assert RULES[key](persona.greeting) or key in ("professor", "stargazer", "gardener")


@pytest.mark.parametrize("key", [*shipped(), "neutral", "assistant"])
def test_voices_have_every_kind(key: str) -> None:
    spoken = voice(key)
    full = voice("neutral")
    assert spoken.replies.keys() == full.replies.keys()
    assert spoken.openers.keys() == spoken.closers.keys() == full.openers.keys()


def test_all_families_are_drawn() -> None:
    rng = Random(1)
    drawn = {rule.family for _ in range(600) for rule in speakers.instructed(rng).constraints}
    assert drawn == set(known()) == {*STYLE, "figure", "hobby", "persona"}


def test_a_dialogue_is_short_where_the_instruction_stands_once_and_may_be_long_without(folder: Path) -> None:
    library = topics.read(folder)
    longest = {"once": 0, "every": 0, "none": 0}
    for number in range(COUNT):
        rng = Random(number)
        speaker = speakers.draw(rng)
        users = [m.content for m in scripts.write(speaker, library, [], rng) if m.role == "user"]
        every = len(users) > 1 and all(speaker.system in user for user in users)
        kind = "none" if not speaker.system else "every" if every else "once"
        longest[kind] = max(longest[kind], len(users))
    assert longest["once"] == 3
    assert 3 < longest["every"] <= 8
    assert longest["none"] > 12


@pytest.mark.parametrize("kind", ["identity", "hobby", "purpose"])
def test_who_was_told_no_name_hobby_or_role_does_not_claim_one(kind: str) -> None:
    spoken = voice("neutral")
    nothing = speakers.Speaker(spoken, name="", role="", hobby="")
    something = {
        "identity": replace(nothing, name="Plato"),
        "hobby": replace(nothing, hobby="chess"),
        "purpose": replace(nothing, role="a baker"),
    }[kind]
    for seed in range(20):
        turn = Turn("What?", kind)
        assert nothing.say(turn, Random(seed)) in spoken.untold[kind]
        assert something.say(turn, Random(seed)) not in spoken.untold[kind]


def test_the_instruction_is_also_joined_to_user_messages(folder: Path) -> None:
    library = topics.read(folder)
    joined = {"every": 0, "first": 0, "newest": 0, "system": 0}
    for number in range(COUNT):
        rng = Random(number)
        speaker = speakers.draw(rng)
        chat = scripts.write(speaker, library, [], rng)
        if not speaker.system:
            continue
        where = [speaker.system in message.content for message in chat if message.role == "user"]
        if len(where) < 2:
            continue
        if chat[0].role == "system":
            joined["newest" if where[-1] else "system"] += 1
            assert not any(where[:-1])
        else:
            joined["every" if all(where) else "first"] += 1
            assert where[0]
    assert all(joined.values()), joined


def test_every_haiku_and_every_couplet_passes_its_check() -> None:
    check = Check(kind="haiku", count=1)
    for kind in ("haiku", "haiku_refuse", "haiku_care"):
        lines = table("additions")[kind]
        for first in lines["first"]:
            for second in lines["second"]:
                assert check.passes(f"{first}\n{second}\n{lines['third'][0]}"), (first, second)
        for third in lines["third"]:
            assert check.passes(f"{lines['first'][0]}\n{lines['second'][0]}\n{third}"), third
    for couplets in table("additions")["rhyme"].values():
        for couplet in couplets:
            assert Check(kind="rhyme").passes(couplet), couplet


def test_verse_declines_what_is_declined() -> None:
    for name in ("haiku", "rhyme"):
        (constraint,) = constraints.drawn([name], Random(1))
        told = {kind: {constraints.apply(constraint, "x", Random(i), kind) for i in range(50)} for kind in KINDS}
        assert not told["refuse"] & told["answer"]
        assert not told["care"] & told["answer"]


def test_a_sentence_too_long_ends_where_it_may() -> None:
    text = "A potato is a starchy vegetable that grows underground as the swollen part of a stem. It is cheap."
    (constraint,) = constraints.drawn(["length"], Random(1))
    said = {most: constraints.apply(replace(constraint, value=most), text, Random(1)) for most in ("3", "9", "11")}
    assert said["3"] == text.split(". ")[0] + "."
    assert said["9"] == "A potato is a starchy vegetable that grows underground."
    assert said["11"] == said["9"]


def test_constraints_are_applied_so_that_their_checks_pass() -> None:
    rng = Random(3)
    text = "A volcano lets hot rock escape. Volcanoes build new land."
    for name in STYLE:
        for _ in range(20):
            (constraint,) = constraints.drawn([name], rng)
            assert constraint.check.passes(constraints.apply(constraint, text, rng)), constraint


@pytest.mark.parametrize(
    "text",
    ["Arr! a volcano.", "Two  spaces.", "End ..", "Well , yes.", "What?.", 'He said "no.', "A {slot} left.", " Led."],
)
def test_faults_are_found(text: str) -> None:
    assert list(text_faults(text))


@pytest.mark.parametrize(("a", "sign", "b", "result"), [(3, "+", 4, 7), (9, "-", 2, 7), (6, "*", 7, 42)])
def test_sums_are_right(a: int, sign: str, b: int, result: int) -> None:
    assert solve(a, sign, b) == result
