from __future__ import annotations

import pytest

from guardrails.checks import sounds
from guardrails.checks.check import Check

COUPLETS = "The sun is bright,\nit gives us light,\nand by the sea\nwe drink our tea."
ALTERNATE = (
    "The morning sun is bright,\nthe birds begin to sing,\nit fills the room with light\nand wakes up everything."
)
LIMERICK = (
    "There once was a man from Peru\nWho dreamed he was eating his shoe\nHe woke with a fright\n"
    "In the middle of the night\nTo find that his dream had come true"
)
ROSES = "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you."
PROSE = "Gravity pulls on every object.\nIt keeps us on the ground.\nThe moon goes on.\nSo do we all."


@pytest.mark.parametrize(
    ("one", "other", "rhymes"),
    [
        ("night", "light", True),
        ("love", "dove", True),
        ("through", "blue", True),
        ("eternity", "me", True),
        ("higher", "fire", True),
        ("café", "away", True),
        ("zwick", "blick", True),  # in no dictionary: by spelling
        ("smake", "flake", True),
        ("stone", "gone", False),  # alike to the eye only
        ("cough", "though", False),
        ("night", "dog", False),
        ("night", "night", False),
    ],
)
def test_rhyming_words(one: str, other: str, rhymes: bool) -> None:
    assert sounds.rhyme(one, other) is rhymes
    assert sounds.rhyme(other, one) is rhymes


@pytest.mark.parametrize(
    ("scheme", "reply", "passes"),
    [
        ("", COUPLETS, True),
        ("", ALTERNATE, True),
        ("", COUPLETS.replace("\n", "\r\n"), True),
        ("", COUPLETS + "\n\n" + ALTERNATE, True),
        ("", COUPLETS.replace("\n", "\n\n"), True),
        ("", PROSE, False),
        ("", ROSES, False),
        ("", "One line alone.", False),
        ("", COUPLETS + "\nAnd one line more.", False),
        ("", "It is me.\nIt is me.", False),
        ("ABCB", ROSES, True),
        ("AABBA", LIMERICK, True),
        ("AABBA", COUPLETS, False),
        ("ABAB", COUPLETS, False),
        ("", "🎾\n🎾", False),
    ],
)
def test_rhyme(scheme: str, reply: str, passes: bool) -> None:
    assert Check(kind="rhyme", value=scheme).passes(reply) is passes


def test_a_line_can_be_forgiven_but_not_all() -> None:
    assert Check(kind="rhyme", count=1).passes(COUPLETS + "\nAnd one line more.")
    assert not Check(kind="rhyme", count=9).passes(PROSE)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("silent", 2),
        ("haiku", 2),
        ("i'm", 1),
        ("creature", 2),
        ("blorfle", 2),
        ("zwicked", 1),
        ("grumbled", 2),
        ("42", 2),
    ],
)
def test_syllables(word: str, expected: int) -> None:
    assert expected in sounds.syllables(word)


@pytest.mark.parametrize(
    ("reply", "exact", "within_one"),
    [
        ("An old silent pond\nA frog jumps into the pond\nSplash! Silence again", True, True),
        ("An old silent pond\r\n\r\nA frog jumps into the pond\r\nSplash! Silence again\r\n", True, True),
        ("Over the wintry\nforest, winds howl in rage\nwith no leaves to blow.", False, True),
        ("An old silent pond\nA frog jumps into the pond", False, False),
        ("An old silent pond\nA frog jumps into the pond\nSplash! Silence again\nAh", False, False),
        ("Yes\nNo\nYes", False, False),
        ("It is a very long first line of them all\nA frog jumps into the pond\nSplash! Silence again", False, False),
    ],
)
def test_haiku(reply: str, exact: bool, within_one: bool) -> None:
    assert Check(kind="haiku").passes(reply) is exact
    assert Check(kind="haiku", count=1).passes(reply) is within_one
