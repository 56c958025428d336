"""An example as it comes up in a chat: under a persona, behind earlier turns, and half said.

A persona or a history comes to safe and unsafe examples alike, so that neither looks unsafe by itself. The gate judges
a reply while it grows: the beginning of a safe reply is safe; that of an unsafe one is told apart only when much of
it is said, so shorter beginnings of those are never shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled, Pair
from recipes.bundled_chat.dialogues import speakers
from recipes.bundled_chat.dialogues.voices import shipped
from recipes.bundled_safety.config import Dressing
from recipes.bundled_safety.sources import Example, prompt_of

PLAIN = ("You are a helpful assistant.", "You are a helpful, honest and kind assistant.", "Answer briefly.")
# Of the system messages: the shipped personas in full, in short, made-up instructions, and plain ones.
SHARES = (45, 20, 20, 15)
# How long a history is at most: more would leave no room for the exchange that is judged.
TURNS = 3
WORDS = 90


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What examples are dressed in: exchanges of harmless chats, and harmful requests that were declined."""

    chats: Sequence[tuple[Message, ...]]
    declined: Sequence[tuple[Message, ...]]


def wardrobe(chats: Iterable[Labelled], declined: Iterable[Labelled]) -> Wardrobe:
    """Of the chats what is short enough to come before something else; one exchange or more each."""

    def turns(one: Labelled) -> tuple[Message, ...]:
        return (*one.exchange.prompt, Message("assistant", one.exchange.reply))

    short = [[*map(turns, part)] for part in (chats, declined)]
    kept = [[chat for chat in part if len(chat) % 2 == 0 and _words(chat[-2:]) <= WORDS] for part in short]
    return Wardrobe(*kept)


def dressed(one: Example, clothes: Wardrobe, settings: Dressing, rng: Random) -> Example:
    """With a persona, with history, with both or with neither; what has a system message has all it needs."""
    prompt = prompt_of(one)
    if not prompt or prompt[0].role == "system":
        return one
    if clothes.chats and rng.random() < settings.history:
        prompt = (*earlier(clothes, rng, declined=rng.random() < settings.declined), *prompt)
    if rng.random() < settings.persona:
        prompt = (Message("system", instruction(rng)), *prompt)
    return _behind(one, prompt)


def instruction(rng: Random) -> str:
    kind = rng.choices(range(len(SHARES)), SHARES)[0]
    if kind < 2:
        persona = speakers.persona(rng.choice(shipped()))
        return persona.terse if kind else persona.instruction
    return speakers.neutral(rng).system if kind == 2 else rng.choice(PLAIN)


def earlier(clothes: Wardrobe, rng: Random, *, declined: bool) -> tuple[Message, ...]:
    """The end of a harmless chat; with `declined` also a harmful request that was declined, before or behind it."""
    found = rng.choice(clothes.chats)[-2 * rng.randint(1, TURNS) :]
    while _words(found) > WORDS:
        found = found[2:]
    if declined and clothes.declined:
        refused = rng.choice(clothes.declined)
        return (*refused, *found) if rng.random() < 0.5 else (*found, *refused)
    return found


def _words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


def cut(one: Example, settings: Dressing, rng: Random) -> Example:
    """Perhaps only the beginning of a labelled reply, where that has the same label."""
    if isinstance(one, Pair) or rng.random() >= (settings.cut_safe if one.safe else settings.cut_unsafe):
        return one
    ends = [found.end() for found in re.finditer(r"\S+", one.exchange.reply)]
    least = 1 if one.safe else max(settings.least, math.ceil(settings.late * len(ends)))
    if len(ends) <= least:
        return one
    words = rng.randrange(least, len(ends))
    return replace(one, exchange=replace(one.exchange, reply=one.exchange.reply[: ends[words - 1]]))


def _behind(one: Example, prompt: tuple[Message, ...]) -> Example:
    if isinstance(one, Pair):
        return replace(one, chosen=Exchange(prompt, one.chosen.reply), rejected=Exchange(prompt, one.rejected.reply))
    return replace(one, exchange=Exchange(prompt, one.exchange.reply))
