"""Policies: the shipped ones are valid, mistakes are named in one line, and the hash says what was in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.policy import Policy, PolicyError, Stage, load, profiles


def test_the_shipped_profiles_are_valid_and_called_by_their_names() -> None:
    assert profiles() == ["balanced", "monitor", "off", "strict"]
    assert [load(name).name for name in profiles()] == profiles()
    assert len({load(name).digest() for name in profiles()}) == 4
    assert load("balanced").prompt.threshold < load("strict").prompt.threshold


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('version = 1\nname = "x"\ntreshold = 1', "treshold: Extra inputs are not permitted"),
        ('version = 2\nname = "x"', "version: Input should be 1"),
        ('version = 1\nname = "x"\nreply = { threshold = 2 }', "reply.threshold: Input should be less than"),
        ('version = 1\nname = "x"\nreply = { threshold = 0.1, action = "shout" }', "reply.action: Input should be"),
        ("version = ", "cannot be read"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).partition(":")[0]


def test_a_policy_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(PolicyError, match="one of balanced, monitor, off, strict"):
        load("none")


def test_a_tightened_policy_is_never_laxer_than_either() -> None:
    for name in ("balanced", "monitor", "off"):
        tightened = load(name).tightened(load("strict"))
        assert tightened.mode == "enforce"
        assert tightened.prompt.threshold >= load("strict").prompt.threshold
        assert tightened.reply.threshold >= load("strict").reply.threshold
        assert tightened.instruction_leak == "block"
    mine = Policy(
        version=1,
        name="mine",
        rules="flag",
        rule_files=("a.toml",),
        reward_model="bundled",
        prompt=Stage(threshold=0.9, action="flag"),
        reply=Stage(threshold=0.01, action="regenerate"),
        on_failure="open",
        adherence=0.2,
    )
    tightened = mine.tightened(load("strict"))
    assert tightened.prompt == Stage(threshold=0.9, action="block")
    assert tightened.reply == Stage(threshold=load("strict").reply.threshold, action="block")
    assert (tightened.rules, tightened.rule_files, tightened.on_failure) == ("block", ("a.toml",), "closed")
    assert (tightened.name, tightened.adherence) == ("mine, strict", 1.0)


def test_what_is_strict_enough_stays_itself() -> None:
    assert load("strict").tightened(load("strict")) == load("strict")
    assert load("strict").tightened(load("balanced")) == load("strict")
    tightened = load("balanced").tightened(load("strict"))
    assert tightened.tightened(load("strict")) == tightened


def test_the_levels_of_another_model_are_left_alone() -> None:
    own = Policy(version=1, name="own", reward_model="my-model", prompt=Stage(threshold=0.01))
    assert own.tightened(load("strict")).prompt == own.prompt
    assert own.tightened(load("strict")).reward_model == "my-model"
    without = Policy(version=1, name="rules")
    assert without.tightened(load("strict")).prompt == load("strict").prompt
    assert without.tightened(load("strict")).reward_model == "bundled"
