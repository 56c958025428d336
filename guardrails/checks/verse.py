"""Verse: rhymes and haiku, in English."""

from __future__ import annotations

from collections import Counter

import regex

from guardrails.checks import counts, sounds

SCHEMES = ("AA", "ABAB")
HAIKU = (5, 7, 5)
SCHEME = regex.compile(r"[A-Z]{2,14}")


def is_scheme(value: str) -> bool:
    """Whether the letters name a rhyme scheme: at least one of them twice."""
    return SCHEME.fullmatch(value) is not None and max(Counter(value).values()) > 1


def rhymes(reply: str, scheme: str = "", forgiven: int = 0) -> bool:
    """Whether the last words of the lines rhyme by the scheme, repeated to the end; lines without words do not count.

    Without a scheme, in couplets (AABB) or alternately (ABAB). Each stanza is taken by itself, or all lines as one. So
    many lines are forgiven that do not rhyme with the one they should, or that are left over; at least two must.
    """
    stanzas = [_endings(stanza) for stanza in counts.blocks(reply)]
    stanzas = [stanza for stanza in stanzas if stanza]
    whole = [ending for stanza in stanzas for ending in stanza]
    for choice in (stanzas, [whole]):
        best = [min(_scan(stanza, each) for each in ([scheme] if scheme else SCHEMES)) for stanza in choice]
        if any(rhymed for _, rhymed in best) and sum(missed for missed, _ in best) <= forgiven:
            return True
    return False


def _endings(text: str) -> list[str]:
    """The last word of every line that has one."""
    return [found[-1] for line in text.split("\n") if (found := sounds.words(line[-60:]))]


def _scan(endings: list[str], scheme: str) -> tuple[int, int]:
    """How many lines fail to rhyme or are left over, and how many rhyme (as a negative number, so more is better)."""
    whole = len(endings) - len(endings) % len(scheme)
    missed, rhymed = len(endings) - whole, 0
    for start in range(0, whole, len(scheme)):
        heard: dict[str, str] = {}
        for letter, ending in zip(scheme, endings[start : start + len(scheme)], strict=True):
            if letter in heard:
                matches = sounds.rhyme(heard[letter], ending)
                rhymed -= matches
                missed += not matches
            heard[letter] = ending
    return missed, rhymed


def haiku(reply: str, tolerance: int = 0) -> bool:
    """Three lines of five, seven and five syllables, each give or take the tolerance, in any way to say its words."""
    lines = [line for line in reply.split("\n") if line.strip()]
    if len(lines) != len(HAIKU):
        return False
    for line, wanted in zip(lines, HAIKU, strict=True):
        each = [sounds.syllables(word) for word in sounds.words(line[:500])]
        fewest, most = sum(min(one) for one in each), sum(max(one) for one in each)
        if not fewest - tolerance <= wanted <= most + tolerance:
            return False
    return True
