"""The audible style rule of each voice, as a check of one reply."""

from __future__ import annotations

import re
from collections.abc import Callable

from recipes.bundled_chat.dialogues.turns import sentences

Rule = Callable[[str], bool]


def says(pattern: str) -> Rule:
    compiled = re.compile(rf"\b({pattern})\b", re.IGNORECASE)
    return lambda text: bool(compiled.search(text))


def verse(text: str) -> bool:
    lines = text.split("\n")
    return len(lines) >= 2 and all(0 < len(line) <= 64 for line in lines)


def plain(text: str) -> bool:
    return "!" not in text and len(sentences(text)) <= 3


RULES: dict[str, Rule] = {
    "professor": says("dear student"),
    "pirate": says("arr|matey"),
    "chef": lambda text: text.endswith("Bon appetit!"),
    "coach": says("champ"),
    "poet": verse,
    "detective": says("clues?|cases?"),
    "gardener": says("gardens?|grows?"),
    "historian": says("history"),
    "plain-speaker": plain,
    "socratic-tutor": lambda text: text.endswith("?"),
    "stargazer": says("stars?|sky"),
    "storyteller": lambda text: text.startswith("Gather round"),
    "neutral": lambda text: True,
    "assistant": lambda text: True,
}
