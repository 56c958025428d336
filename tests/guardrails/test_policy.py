"""Policies: the shipped ones are valid, mistakes are named in one line, and the hash says what was in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.policy import PolicyError, load, profiles


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
