"""One exchange before a voice is given to it, and the tables that exchanges are drawn from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z\"'])")
SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says and what the answer must say.

    `kind` is a key of the voices' tables. An empty `content` leaves the whole reply to the voice.
    """

    user: str
    kind: str
    content: str = ""
    topic: str = ""


@cache
def table(name: str) -> dict[str, Any]:
    """A TOML data file of this package."""
    return tomllib.loads((HERE / f"{name}.toml").read_text("utf-8"))


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with each known {slot} replaced; unknown slots stay."""
    return SLOT.sub(lambda match: values.get(match[1], match[0]), template)


def sentences(text: str) -> list[str]:
    return SENTENCE_END.split(text)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def one_of(rng: Random, choices: Sequence[str], **values: str) -> str:
    return fill(rng.choice(choices), values)


TYPO = re.compile(r"[a-z]{5,}")


def rough(text: str, rng: Random) -> str:
    """A user's message as people type it: often lower case, often without punctuation, seldom with a typo."""
    if rng.random() < 0.3:
        text = text.lower()
    elif rng.random() < 0.6:
        text = capital(text)
    if rng.random() < 0.3:
        text = text.rstrip(".!?")
    if rng.random() < 0.02 and (words := list(TYPO.finditer(text))):
        word = rng.choice(words)
        at = word.start() + rng.randrange(1, len(word[0]) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text
