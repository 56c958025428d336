"""Phrases that a reply begins with, ends with, holds or avoids.

Case and the shape of apostrophes and quotation marks never matter here: models write "That’s" for "That's".
"""

from __future__ import annotations

import functools

import regex

from guardrails.checks import counts

SHAPES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
SPACE_AND_QUOTES = SPACE + "\u200b\ufeff'\"`"
FINAL_PUNCTUATION = ".!?…,;:"
# Scripts that are written without spaces between words, where a word's edge cannot be seen.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"

# A word's edge; underscores around it are emphasis ("_tennis_"), between words part of a name ("cat_food").
BEFORE_WORD = r"(?<![\p{L}\p{M}\p{N}]_{0,3})"
AFTER_WORD = r"(?!_{0,3}[\p{L}\p{M}\p{N}])"
FIRST_WORD = regex.compile(r"""\s*+['"]*+([^\s.,?!'"]++)""")


def fold(text: str) -> str:
    """Without case, with straight quotes and line feeds; the folded parts of a text make the folded text."""
    return text.replace("\r\n", "\n").translate(SHAPES).casefold()


def opens(reply: str, value: str) -> bool:
    """The reply begins with the value; quotes and space before it are ignored.

    A prefix of text, as in IFEval: "Aha" also begins "Ahab". Give "Aha," or "Aha!" where that matters.
    """
    phrase = fold(value).strip()
    bare = phrase.lstrip(SPACE_AND_QUOTES)
    if not bare:  # the value is nothing but quotes
        return fold(reply).strip().startswith(phrase)
    return fold(reply).lstrip(SPACE_AND_QUOTES).startswith(bare)


def closes(reply: str, value: str, exactly: bool = False) -> bool:
    """The reply ends with the value; space and quotes after it are ignored.

    The value's final punctuation may be missing or another: "Cheers!" is met by "Cheers" and "Cheers.", unless
    `exactly`, as in IFEval. A value without any is always met exactly: "Cheers" is not met by "Cheers!".
    """
    phrase = fold(value).strip()
    end = fold(reply).rstrip(SPACE_AND_QUOTES)
    bare = phrase.rstrip(SPACE_AND_QUOTES)
    stem = bare.rstrip(FINAL_PUNCTUATION)
    if not stem:  # the value is nothing but punctuation
        return fold(reply).strip().endswith(phrase)
    if stem != bare and not exactly:
        end = end.rstrip(FINAL_PUNCTUATION + SPACE_AND_QUOTES)
        return end.endswith(stem.rstrip(FINAL_PUNCTUATION + SPACE_AND_QUOTES))
    return end.endswith(bare)


def alternatives(value: str) -> list[str]:
    """The phrases between the value's bars."""
    return [part.strip() for part in value.split("|") if part.strip()]


@functools.lru_cache(maxsize=1024)
def pattern(value: str) -> regex.Pattern[str]:
    """Any of the alternatives as whole words, the longest first, any space between their words."""
    choices = []
    for phrase in sorted(alternatives(fold(value)), key=len, reverse=True):
        words = r"\s+".join(regex.escape(word) for word in phrase.split())
        before = BEFORE_WORD if regex.match(rf"(?![{UNSPACED}])\w", phrase) else ""
        after = AFTER_WORD if regex.search(rf"(?![{UNSPACED}])\w\Z", phrase) else ""
        choices.append(before + words + after)
    return regex.compile("|".join(choices))


def occurrences(reply: str, value: str) -> int:
    """How often any of the alternatives occurs as whole words."""
    return sum(1 for _ in pattern(value).finditer(fold(reply)))


def contains(reply: str, value: str) -> bool:
    """Whether one of the alternatives occurs as whole words."""
    return pattern(value).search(fold(reply)) is not None


def mentions(reply: str, value: str) -> int:
    """How often the value occurs, also inside a word: IFEval's keywords, so "riddle" is in "riddles"."""
    return fold(reply).count(fold(value).strip())


def chooses(reply: str, value: str) -> bool:
    """Whether one of the options occurs letter by letter, case included: IFEval's constrained response."""
    return any(option in reply for option in alternatives(value))


def repeats(reply: str, text: str) -> bool:
    """Whether the reply begins with the whole text, case ignored; a blank text is nothing to repeat."""
    text = fold(text).strip()
    return bool(text) and fold(reply).strip().startswith(text)


def begins_paragraph(reply: str, value: str, number: int) -> bool:
    """Whether the paragraph with this number (from 1; blank lines divide) has the value as its first word.

    As in IFEval the word starts after quotes and goes up to a space, a quote or one of ". , ? !".
    """
    found = counts.blocks(reply)
    if number > len(found):
        return False
    first = FIRST_WORD.match(fold(found[number - 1]))
    return first is not None and first[1] == fold(value).strip()
