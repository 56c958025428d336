"""Ways to write a whole text differently that need no table: rotated letters, reversed letters, digits for letters."""

from __future__ import annotations

import string

import regex

LOWER, UPPER = string.ascii_lowercase, string.ascii_uppercase
ROT13 = str.maketrans(LOWER + UPPER, LOWER[13:] + LOWER[:13] + UPPER[13:] + UPPER[:13])
ATBASH = str.maketrans(LOWER + UPPER, LOWER[::-1] + UPPER[::-1])

# 1 may be i or l; patterns take the two for one letter (see `rules.py`), so one reading is enough.
LEET = str.maketrans("013457896@$", "oieastbggas")
LEET_INSIDE = {"!": "i", "|": "l", "+": "t"}
# A sign inside a word, or a digit at its beginning or end. The rare signs come first in the pattern: it is read often.
LEET_WORD = regex.compile(
    r"[0-9@$!|+](?:(?<=[a-z].)(?=[a-z])|[0-9@$]?(?:(?<=[a-z][0-9@$]{1,2})(?!\S)|(?<=(?<!\S)[0-9@$]{1,2})(?=[a-z])))"
)
BEFORE_LETTER = regex.compile(r"[!|+](?=[a-z0-9])")
NUMBER = regex.compile(r"(?<![^\W_])[0-9]{2,}(?![^\W_])")
# One to three marks inside a word: "b-omb", "bo**mb". Spaces are no such marks.
INSIDE_WORD = regex.compile(r"(?:[^\w\s]|_)(?<=[^\W_].)(?:[^\w\s]|_){0,2}(?=[^\W_])")


def rot13(text: str) -> str:
    """Letters moved by half the alphabet; its own inverse."""
    return text.translate(ROT13)


def atbash(text: str) -> str:
    """Letters mirrored, z for a; its own inverse."""
    return text.translate(ATBASH)


def backwards(text: str) -> str:
    """The last character first."""
    return text[::-1]


def words_backwards(text: str) -> str:
    """Every word with its last character first, the words in their order."""
    return " ".join(word[::-1] for word in text.split())


def unleeted(text: str) -> list[str]:
    """A normalised text with letters for the digits and signs that stand for them, where any seem to.

    Twice where it has numbers: "70" may be "to", or part of "a 10 year old".
    """
    if not LEET_WORD.search(text):
        return []
    text = BEFORE_LETTER.sub(lambda sign: LEET_INSIDE[sign[0]], text)
    everything = text.translate(LEET)
    if not NUMBER.search(text):
        return [everything]
    parts, end = [], 0
    for number in NUMBER.finditer(text):
        parts += [text[end : number.start()].translate(LEET), number[0]]
        end = number.end()
    return [everything, "".join([*parts, text[end:].translate(LEET)])]


def unbroken(text: str) -> str:
    """The text without marks inside words."""
    return str(INSIDE_WORD.sub("", text))
