from __future__ import annotations

import pytest

from guardrails.checks import counts
from guardrails.checks.check import Check


@pytest.mark.parametrize(
    ("text", "expected"),
    [("one two  three", 3), ("don't", 2), ("well-known", 2), ("3.5 km", 3), ("¿Qué tal?", 2), ("--- !", 0), ("🎾", 0)],
)
def test_words(text: str, expected: int) -> None:
    assert counts.words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", 3),
        ("No full stop", 1),
        ("Dr. Smith met Mr. Jones at 5 p.m. in St. Louis.", 1),
        ("J. R. R. Tolkien wrote it. We read it.", 2),
        ("Use fruit, e.g. apples. Or not.", 2),
        ("Apples, pears, etc. Then we left.", 2),
        ("Apples, pears, etc. are fruit.", 1),
        ("See No. 5 there. The answer is no. It is.", 3),
        ("It is 3.14 or www.example.com today.", 1),
        ("Wait... what? Yes... No.", 3),
        ('"Why?" she asked. "Because."', 2),
        ("all small. no capital. fine.", 3),
        ("1. Apples\n2. Pears", 1),
        ("1. Apples are red.\n2. Pears are green.", 2),
        ("A line\nand its end.", 1),
        ("Really?! Yes!!!", 2),
        ("我是猫。你呢？好！", 3),
        ("! ? .", 0),
        ("😀 😀", 0),
        ("Yes. 😀", 1),
        ("So am I. You too.", 2),
        ("**Bold.** Plain.", 2),
    ],
)
def test_sentences(text: str, expected: int) -> None:
    assert counts.sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "divider", "expected"),
    [
        ("One\n\nTwo\n \nThree", "", 3),
        ("One\nstill one", "", 1),
        ("\n\nOne\n\n\n\nTwo\n\n", "", 2),
        ("One\n***\nTwo", "***", 2),
        ("***\nOne\n***\nTwo\n***", "***", 2),
        ("One\n***\n***\nTwo", "***", 0),
        ("One\n\nTwo", "***", 1),
    ],
)
def test_paragraphs(text: str, divider: str, expected: int) -> None:
    assert counts.paragraphs(text, divider) == expected


def test_line_ends_of_windows_are_line_ends() -> None:
    assert Check(kind="paragraphs", count=2, relation="exactly").passes("One\r\n\r\nTwo\r\n")
    assert Check(kind="lines", count=2, relation="exactly").passes("One\r\n\r\nTwo\r\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("NASA and the U.S. ARMY", 3), ("I'm OK", 2), ("A WELL-KNOWN fact", 2), ("Nasa iPhone 42", 0), ("ÜBER", 1)],
)
def test_capital_words(text: str, expected: int) -> None:
    assert counts.capital_words(text) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("hi 😀🎾", "", 2),
        ("hi :)", "", 0),
        ("© 2024 ™ 1 # *", "", 0),
        ("🇫🇷", "", 1),
        ("1️⃣", "", 1),
        ("I ❤ it", "", 1),
        ("I ❤️ it", "❤", 1),
        ("I ❤ it", "❤️", 1),
        ("👍🏽", "👍", 1),
        ("😀", "🎾", 0),
    ],
)
def test_emoji(text: str, wanted: str, expected: int) -> None:
    assert counts.emoji(text, wanted) == expected


def test_no_emoji_at_all_can_be_asked_for() -> None:
    check = Check(kind="emoji", count=0, relation="exactly")
    assert check.passes("none")
    assert not check.passes("one 😀")


def test_letters_count_in_either_case() -> None:
    assert counts.letters("Anna and Ada", "A") == 5
    assert counts.letters("#a #b", "#") == 2
    assert not Check(kind="letter_count", value="q", count=1, relation="less than").passes("Quick")
