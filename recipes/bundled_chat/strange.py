"""Values made of words that no language has, which cannot be known by heart: they must be copied, piece by piece.

Made-up names of syllables (values.py) have few different pieces, and what a small model has seldom copied it copies
wrongly. Here the pieces are those of the model's own vocabulary, each as likely as any other: those that begin a word,
a single letter or a whole word of their own, and those inside one.
"""

from __future__ import annotations

import re
import string
from functools import cache
from random import Random

from assistant.engines.catalog import BUNDLED_FOLDER
from gatt import families
from gatt.dataset.revalue import copied
from gatt.families import Family
from guardrails.rendering import load_tokenizer
from recipes.bundled_chat import values

SEED = 8
# How many of each family.
COUNT = 8000
# Shares of the words of a value that are made strange, and of the values that are one strange word alone.
STRANGE, ALONE = 0.6, 0.2
WORD = re.compile(r"[A-Za-z]{3,}")
# They hold a value together.
JOINTS = ("the", "and", "for", "with", "about")
# How a token that begins a word is written in the vocabulary.
SPACE = "\u0120"
# Of the words, so many begin with a single letter, and so many have none, one or two pieces more.
LETTER, MORE = 0.15, (25, 45, 30)
# Of the names, so many begin as the vocabulary's names do, the others as its words.
NAMES = 0.5


@cache
def pieces() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The tokens of the bundled vocabulary that begin a word, that begin a name, and short ones inside either."""
    tokens = sorted(load_tokenizer(BUNDLED_FOLDER).get_vocab())

    def like(pattern: str) -> tuple[str, ...]:
        return tuple(token.removeprefix(SPACE) for token in tokens if re.fullmatch(pattern, token))

    return like(f"{SPACE}[a-z]+"), like(f"{SPACE}[A-Z][a-z]*"), like("[a-z]{1,5}")


@cache
def kept_words() -> frozenset[str]:
    """The words of the values that are kept for evaluation."""
    return frozenset(word for value in _kept() for word in WORD.findall(value) if word not in JOINTS)


def _kept() -> set[str]:
    shipped = families.load().values()
    return {one.value.casefold() for family in shipped if copied(family) for one in family.split("test")}


def word(rng: Random, *, name: bool = False) -> str:
    """A word of one to three pieces, three letters at least, and none that evaluation keeps; a name has a capital."""
    words, names, inside = pieces()
    # "Queen" is another token than "queen", and few words that are given a capital begin with one like it.
    beginnings = names if name and rng.random() < NAMES else words
    while True:
        beginning = rng.choice(string.ascii_lowercase if rng.random() < LETTER else beginnings)
        (more,) = rng.choices(range(len(MORE)), MORE)
        made = beginning + "".join(rng.choices(inside, k=more))
        if WORD.fullmatch(made) and made.lower() not in kept_words():
            return made.capitalize() if name else made


def estranged(value: str, rng: Random) -> str:
    """`value` with strange words in place of some of its own, capitals where they were."""

    def another(match: re.Match[str]) -> str:
        if match[0].lower() in JOINTS or rng.random() > STRANGE:
            return match[0]
        return word(rng, name=match[0][0].isupper())

    alone = WORD.search(value)
    if alone and rng.random() < ALONE:
        value = value[alone.start() : alone.end()] + (value[-1] if value[-1] in ".!" else "")
    return WORD.sub(another, value)


def value(rng: Random) -> str:
    """A strange value of some family."""
    return estranged(rng.choice(list(values.MADE.values()))(rng), rng)


@cache
def known() -> dict[str, Family]:
    """The families with strange values beside the others, none of them one that is kept for evaluation."""
    kept = _kept()
    return {name: _with(name, family, kept) for name, family in values.extended().items()}


def _with(name: str, family: Family, kept: set[str]) -> Family:
    if name not in values.MADE:
        return family
    rng = Random(f"{SEED}/{name}")
    made = (estranged(values.MADE[name](rng), rng) for _ in range(COUNT))
    fresh = tuple(dict.fromkeys(value for value in made if value.casefold() not in kept))
    shipped = tuple(one.value for one in family.choices())
    return Family.model_validate(family.model_dump(exclude_unset=True) | {"values": (*shipped, *fresh)})
