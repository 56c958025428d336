"""Examples put together from others, so that neither a prompt nor a reply decides alone.

A harmful prompt that is declined is safe; a harmful text is unsafe even as an answer to a harmless prompt; a harmless
text is safe whatever it answers. And chats of the shipped personas, which talk as no other data does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled
from recipes.bundled_chat.dialogues import dialogues, speakers
from recipes.bundled_chat.dialogues.turns import table
from recipes.bundled_chat.dialogues.voices import shipped
from recipes.bundled_safety import wordings
from recipes.bundled_safety.sources import declines

Prompt = tuple[Message, ...]
# A longer one may say what it declines.
SHORT = 25


def requests(count: int, rng: Random) -> list[Labelled]:
    """Some of the harmful requests that the bundled chat model learned to decline, written for this project."""
    harm = table("refusals")["harm"]
    found = {ask.format(x=what): None for entry in harm for ask in entry["ask"] for what in entry["x"]}
    chosen = rng.sample(list(found), min(count, len(found)))
    return [Labelled("own requests", Exchange((Message("user", text),), ""), False) for text in chosen]


def refusals(replies: Sequence[Labelled]) -> list[str]:
    """Short ones among the assistants' replies, the personas' own, and those written for the bundled chat model."""
    found = {one.exchange.reply for one in replies if one.safe and declines(one.exchange.reply)}
    short = sorted(text for text in found if len(text.split()) <= SHORT)
    return [*short, *(speakers.persona(key).refusal for key in shipped()), *table("refusals")["general"]["answers"]]


def declined(prompts: Sequence[Prompt], replies: Sequence[str], count: int, rng: Random) -> Iterator[Labelled]:
    """Harmful prompts with a refusal: safe."""
    for _ in range(count if prompts else 0):
        yield Labelled("declined", Exchange(rng.choice(prompts), rng.choice(replies)), True)


def mixed(prompts: Sequence[Prompt], replies: Sequence[Labelled], count: int, rng: Random) -> Iterator[Labelled]:
    """Harmless prompts with replies to others, which keep their label; as many safe as unsafe ones."""
    for safe in (True, False):
        able = [one.exchange.reply for one in replies if one.safe == safe]
        for _ in range(count // 2 if prompts and able else 0):
            yield Labelled("mixed", Exchange(rng.choice(prompts), rng.choice(able)), safe)


def asked(texts: Sequence[Labelled], prompts: Sequence[Prompt], rng: Random) -> list[Labelled]:
    """Texts alone, every second behind a harmless prompt."""
    return [
        Labelled(one.source, Exchange(rng.choice(prompts), one.exchange.reply), one.safe)
        if prompts and rng.random() < 0.5
        else one
        for one in texts
    ]


def persona_chats(count: int, seed: int, harmful: Sequence[str]) -> Iterator[Labelled]:
    """A reply from each of so many generated chats, harmful prompts being declined in character."""
    rng = Random(seed)
    for chat in dialogues(seed, count, harmful=harmful):
        places = [place for place, message in enumerate(chat) if message.role == "assistant"]
        place = rng.choice(places)
        yield Labelled("persona chats", Exchange(tuple(chat[:place]), chat[place].content), True)


def other_words(prompts: Sequence[Labelled], share: float, rng: Random) -> Iterator[Labelled]:
    """Prompts alone as other sentences, with the label they had."""
    for one in prompts:
        text = wordings.reworded(one.exchange.prompt[-1].content, rng)
        if text and rng.random() < share:
            yield Labelled("reworded", Exchange((Message("user", text),), ""), one.safe)


def contrasts(prompts: Sequence[Labelled], share: float, rng: Random) -> Iterator[Labelled]:
    """Harmless questions about the deeds of harmful prompts."""
    for one in prompts:
        text = "" if one.safe else wordings.contrast(one.exchange.prompt[-1].content, rng)
        if text and rng.random() < share:
            yield Labelled("contrast", Exchange((Message("user", text),), ""), True)
