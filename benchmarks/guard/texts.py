"""Texts with and without a planted violation, and ways to cut them into pieces."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["clean", "phrase", "spread"]

# Nothing of this is harmful: a judge is told to find it. The spread one is a violation only where both halves are.
PHRASE = "the vault code is seven nine three one"
FIRST, SECOND = "the iron key lies below the stair", "it opens the oak door"
SPREAD = rf"(?s){FIRST}.*{SECOND}"
VIOLATION = re.compile(rf"(?s){PHRASE}|{FIRST}.*{SECOND}")

WHO = ("the teacher", "an old sailor", "the baker", "a young painter", "my neighbour", "the mayor", "a quiet child")
HOW = ("slowly", "gladly", "without a word", "as always", "for once", "before noon", "in the rain")
DID = ("carried", "painted", "mended", "looked for", "forgot", "wrote about", "sold")
WHAT = ("a wooden boat", "the red lantern", "two baskets of apples", "a long letter", "the church bell", "her map")
WHERE = ("near the harbour", "behind the mill", "at the market", "on the hill", "by the river", "in the garden")
# From characters to sentences.
SIZES = (1, 3, 6, 20, 80)


@dataclass(frozen=True, slots=True)
class Planted:
    """Words, each with the space after it. The violation, if there is one, is in `words[start:end]`."""

    words: tuple[str, ...]
    kind: Kind
    start: int = 0
    end: int = 0

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def violation(self) -> tuple[int, int]:
        """Its first character and the one after its last (the space after it is none of it)."""
        return len("".join(self.words[: self.start])), len("".join(self.words[: self.end]).rstrip())


def planted(kind: Kind, length: int, rng: random.Random, *, edge: float = 0.0) -> Planted:
    """Prose of about `length` words, a violation of this kind somewhere in its middle.

    `edge` is the share of the text, at either end, where none begins.
    """
    prose = _words(_prose(length, rng))[:length]
    if kind == "clean":
        return Planted(prose, kind)
    at = rng.randint(round(edge * length), round((1 - edge) * length))
    between = rng.randint(at, length) if kind == "spread" else at
    inside = _words(PHRASE) if kind == "phrase" else _words(FIRST) + prose[at:between] + _words(SECOND)
    return Planted(prose[:at] + inside + prose[between:], kind, at, at + len(inside))


def pieces(text: str, rng: random.Random, sizes: Sequence[int] = SIZES) -> list[str]:
    """The text cut at random into pieces of about one of these sizes; some are empty."""
    about = rng.choice(sizes)
    found = []
    at = 0
    while at < len(text):
        size = 0 if rng.random() < 0.05 else rng.randint(1, 2 * about - 1)
        found.append(text[at : at + size])
        at += size
    return found


def _prose(words: int, rng: random.Random) -> str:
    sentences: list[str] = []
    while 6 * len(sentences) < words:  # none has fewer
        sentence = " ".join(map(rng.choice, (WHO, DID, WHAT, WHERE, HOW)))
        sentences.append(sentence.capitalize() + ".")
    return " ".join(sentences)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word + " " for word in text.split())
