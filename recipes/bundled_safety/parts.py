"""Which prompts are learned from, which calibrate and which test: by a hash of the prompt, the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

from recipes.bundled_safety.config import Shares
from recipes.bundled_safety.near import Known, normalised
from recipes.bundled_safety.sources import Example, prompt_of, texts_of

Part = Literal["train", "calibrate", "test"]
# In this order they are kept back: nothing later may be near what came before.
PARTS: tuple[Part, ...] = ("test", "calibrate", "train")
# A longer prompt is a jailbreak's frame or a passage: what else stands in that frame is not the same prompt.
LONGEST = 60


class Families:
    """Gives texts that are near each other one name, so that siblings come to one part."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        known = Known(())
        # The shorter ones first: what quotes them comes to them.
        for text in sorted(set(texts), key=lambda text: (len(text), text)):
            found = known.match(text)
            self._names[text] = normalised(text) if found is None else self._names[found]
            if found is None or len(text.split()) <= LONGEST:
                known.add(text)

    def name(self, text: str) -> str:
        return self._names[text]


def part_of(name: str, shares: Shares) -> Part:
    """Of everything that has this name."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    if place < shares.calibrate:
        return "calibrate"
    return "test" if place < shares.calibrate + shares.test else "train"


def question(one: Example) -> str:
    """What the user last said; of a text alone, nothing."""
    prompt = prompt_of(one)
    return prompt[-1].content if prompt else ""


def topic(one: Example) -> str:
    """By which an example is put into a part: what the user first said, or the text alone."""
    users = [message.content for message in prompt_of(one) if message.role == "user"]
    return users[0] if users else texts_of(one)[0]


def held_back(examples: Iterable[Example]) -> Known:
    """The short questions among examples that are kept from training."""
    return Known(text for one in examples if (text := question(one)) and len(text.split()) <= LONGEST)
