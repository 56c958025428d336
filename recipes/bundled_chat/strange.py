"""Values made of words that no language has, which cannot be known by heart: they must be copied, piece by piece.

Made-up names of syllables (values.py) have few different pieces, and what a small model has seldom copied it copies
wrongly. Here the pieces are those of the model's own vocabulary, each as likely as any other.
"""

from __future__ import annotations

import re
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


@cache
def pieces() -> tuple[str, ...]:
    """The tokens of the bundled vocabulary that are two to five small letters inside a word."""
    return tuple(token for token in sorted(load_tokenizer(BUNDLED_FOLDER).get_vocab()) if _inside(token))


def _inside(token: str) -> bool:
    return re.fullmatch("[a-z]{2,5}", token) is not None


def word(rng: Random) -> str:
    """A word of two or three pieces."""
    return "".join(rng.choices(pieces(), k=2 if rng.random() < 0.6 else 3))


def estranged(value: str, rng: Random) -> str:
    """`value` with strange words in place of some of its own, capitals where they were."""

    def another(match: re.Match[str]) -> str:
        if match[0].lower() in JOINTS or rng.random() > STRANGE:
            return match[0]
        return word(rng).capitalize() if match[0][0].isupper() else word(rng)

    alone = WORD.search(value)
    if alone and rng.random() < ALONE:
        value = value[alone.start() : alone.end()] + (value[-1] if value[-1] in ".!" else "")
    return WORD.sub(another, value)


@cache
def known() -> dict[str, Family]:
    """The families with strange values beside the others, none of them one that is kept for evaluation."""
    loaded = families.load()
    kept = {one.value.casefold() for family in loaded.values() if copied(family) for one in family.split("test")}
    return {name: _with(name, family, kept) for name, family in values.extended().items()}


def _with(name: str, family: Family, kept: set[str]) -> Family:
    if name not in values.MADE:
        return family
    rng = Random(f"{SEED}/{name}")
    made = (estranged(values.MADE[name](rng), rng) for _ in range(COUNT))
    fresh = tuple(dict.fromkeys(value for value in made if value.casefold() not in kept))
    shipped = tuple(one.value for one in family.choices())
    return Family.model_validate(family.model_dump(exclude_unset=True) | {"values": (*shipped, *fresh)})
