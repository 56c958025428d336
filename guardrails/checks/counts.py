"""How many there are of something: words, sentences, paragraphs, lines, letters, emoji, capital words."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

import regex

Relation = Literal["at least", "at most", "exactly", "less than"]

WORD = regex.compile(r"\w+")
CAPITAL_CANDIDATE = regex.compile(r"\w+(?:[-/.]\w+)*")
# Flags are two regional indicators, keycaps a digit and U+20E3; (c), (r) and TM are signs of print unless they are
# followed by the emoji variation selector.
EMOJI = regex.compile(r"\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3|[©®™]\uFE0F|(?![©®™])\p{Extended_Pictographic}")

# A run of marks, closing quotes and brackets, then space or the end; or the full stops that no space follows.
SENTENCE_END = regex.compile(
    r"""(?<![.!?…])([.!?…]++)(["'”’»)\]*_]*+)(?=\s|\Z)|(?<![。！？])([。！？]++)[”’」』）]*+"""
)
NEXT_CHARACTER = regex.compile(r"\s*+\S")
OPENERS = "\"'“‘([*_"
DOTTED = regex.compile(r"\p{L}(?:\.\p{L})+")  # e.g, i.e, u.s, p.s
ABBREVIATIONS = """
    mr mrs ms dr prof rev gen sen rep gov capt col lt sgt st mt vs cf approx est dept ave blvd rd
    jan feb mar apr jun jul aug sep sept oct nov dec
""".split()  # noqa: SIM905
# Abbreviations where a number follows, else words: "No. 5" and "The answer is no."
BEFORE_NUMBERS = {"no", "nos", "vol", "pp", "p", "fig", "eq", "sec", "ca"}
# Abbreviations that often end a sentence: a capital after them begins the next.
OFTEN_LAST = {"etc", "inc", "ltd", "co", "corp", "jr", "sr", "al"}


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


def blocks(text: str) -> list[str]:
    """What blank lines divide, none of it blank."""
    grouped = groupby(text.split("\n"), key=lambda line: bool(line.strip()))
    return ["\n".join(block) for full, block in grouped if full]


def paragraphs(text: str, divider: str = "") -> int:
    """How many paragraphs the divider, else blank lines, make.

    With a divider there must be text on both sides of it, except at the two ends of the reply; otherwise there is no
    number of paragraphs to speak of, which is 0 here (IFEval: fails).
    """
    if not divider.strip():
        return len(blocks(text))
    parts = text.split(divider.strip())
    if not all(part.strip() for part in parts[1:-1]):
        return 0
    return sum(1 for part in parts if part.strip())


def sentences(text: str) -> int:
    """How many sentences there are: pieces with a word in them, up to a sentence's end or the text's.

    Close to IFEval's count, which is that of NLTK's trained Punkt model: line breaks end no sentence, a period ends
    one unless it belongs to an abbreviation, an initial or an ellipsis that goes on. Unlike Punkt, the number of an
    item in a list is no sentence of its own, quoted speech that goes on ('"Why?" she asked.') is one sentence, and the
    full stops of Chinese and Japanese count.
    """
    found, has_word, seen = 0, False, 0
    for end in SENTENCE_END.finditer(text):
        has_word = has_word or WORD.search(text, seen, end.end()) is not None
        seen = end.end()
        if has_word and _ends_sentence(text, end):
            found, has_word = found + 1, False
    return found + (has_word or WORD.search(text, seen) is not None)


def _ends_sentence(text: str, end: regex.Match[str]) -> bool:
    """Whether the punctuation ends a sentence."""
    mark, closers = end[1], end[2]
    following = NEXT_CHARACTER.match(text, end.end())
    if following is None or end[3]:
        return True
    next_character: str = following[0][-1]
    goes_on = next_character.islower()
    if closers or (mark != "." and not mark.strip(".…")):
        return not goes_on
    if mark != ".":
        return True
    before = text[max(0, end.start() - 24) : end.start()]
    token = "" if before[-1:].isspace() else (before.split() or [""])[-1].lstrip(OPENERS).lower()
    if token in ABBREVIATIONS or DOTTED.fullmatch(token) is not None:
        return False
    if token in BEFORE_NUMBERS and next_character.isdecimal():
        return False
    if token in OFTEN_LAST:
        return next_character.isupper()
    if token.isdecimal() or len(token) == 1:
        nearby = text[max(0, end.start() - 12) : end.start()]
        line = nearby.rpartition("\n")[2]
        at_line_start = (line != nearby or end.start() <= 12) and line.strip(" \t*-#>(").lower() == token
        return not at_line_start and (token == "i" or not token.isalpha())
    return True


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
