"""Safe exchanges to count false positives on: the same ones plain, under a persona, and behind earlier turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled
from recipes.bundled_safety.dress import Wardrobe, earlier, instruction
from recipes.bundled_safety.pools import prompts_of, replies_of
from recipes.bundled_safety.sources import Example

# Source of the prompts and replies that nobody thinks twice about.
EVERYDAY = "dolly_6k_nocontext"
BENIGN = "everyday prompts"
# Others worth a look: delicate subjects, harmless questions about harm, refusals, personas in character.
OTHERS = {
    "delicate prompts": ("caia", False),
    "delicate replies": ("caia", True),
    "questions about harm": ("contrast", False),
    "refusals of harmful prompts": ("declined", True),
    "personas in character": ("persona chats", True),
}


def build(plain: Sequence[Example], clothes: Wardrobe, most: int, rng: Random) -> list[Labelled]:
    """At most so many of every set; a set's name is the source of its examples."""
    prompts = [one for one in prompts_of(plain) if one.safe]
    replies = [one for one in replies_of(plain) if one.safe]
    found = list(_in_clothes(BENIGN, [one for one in prompts if one.source == EVERYDAY][:most], clothes, rng))
    answers = [one for one in replies if one.source == EVERYDAY][:most]
    found += _in_clothes("everyday replies", answers, clothes, rng)
    for name, (source, answered) in OTHERS.items():
        pool = replies if answered else prompts
        found += [replace(one, source=name) for one in [one for one in pool if one.source == source][:most]]
    return found


def _in_clothes(name: str, examples: Sequence[Labelled], clothes: Wardrobe, rng: Random) -> Iterator[Labelled]:
    for one in examples:
        prompt, reply = one.exchange.prompt, one.exchange.reply
        yield replace(one, source=name)
        system = Message("system", instruction(rng))
        yield Labelled(f"{name}, persona", Exchange((system, *prompt), reply), True)
        if clothes.chats:
            history = earlier(clothes, rng, declined=False)
            yield Labelled(f"{name}, persona and history", Exchange((system, *history, *prompt), reply), True)
            history = earlier(clothes, rng, declined=True)
            yield Labelled(f"{name}, after a refusal", Exchange((system, *history, *prompt), reply), True)
