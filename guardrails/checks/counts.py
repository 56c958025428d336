"""How many there are of something: words, sentences, paragraphs, lines, letters, emoji, capital words."""

from __future__ import annotations

from typing import Literal

import regex

Relation = Literal["at least", "at most", "exactly", "less than"]

WORD = regex.compile(r"\w+")
CAPITAL_CANDIDATE = regex.compile(r"\w+(?:[-/.]\w+)*")
# Flags are two regional indicators, keycaps a digit and U+20E3; (c), (r) and TM are signs of print unless they are
# followed by the emoji variation selector.
EMOJI = regex.compile(r"\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3|[©®™]\uFE0F|(?![©®™])\p{Extended_Pictographic}")


def holds(found: int, relation: Relation, count: int) -> bool:
    """Whether `found` is `relation` `count`."""
    match relation:
        case "at least":
            return found >= count
        case "at most":
            return found <= count
        case "exactly":
            return found == count
        case "less than":
            return found < count


def words(text: str) -> int:
    r"""Runs of `\w`, as IFEval counts them: "don't" is two, a Chinese clause is one."""
    return sum(1 for _ in WORD.finditer(text))


def lines(text: str) -> int:
    """Lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def capital_words(text: str) -> int:
    """Words all of whose letters are capitals; "A.I." and "AND/OR" are one word, "I'm" has one ("I")."""
    return sum(1 for found in CAPITAL_CANDIDATE.finditer(text) if found[0].isupper())


def letters(text: str, letter: str) -> int:
    """How often the character occurs, in either case."""
    return text.lower().count(letter.lower())


def emoji(text: str, wanted: str) -> int:
    """How many emoji there are, or how many of the wanted one (any presentation: U+FE0F is ignored)."""
    if wanted:
        return text.replace("\ufe0f", "").count(wanted.replace("\ufe0f", ""))
    return sum(1 for _ in EMOJI.finditer(text))
