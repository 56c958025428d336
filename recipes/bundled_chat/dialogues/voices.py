"""Voices: how a persona opens, says and closes an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from random import Random

from pydantic import BaseModel, ConfigDict

from recipes.bundled_chat.dialogues.rules import RULES
from recipes.bundled_chat.dialogues.turns import HERE, SLOT, Turn, capital, fill, sentences, table

DRAFTS = 300
LINE = 40
LINKS = re.compile(
    "and|or|but|of|in|on|at|to|for|from|by|with|that|which|who|where|when|while|because|so|if|than|as|into|like"
)
# Words that must not end a verse line.
HANGING = re.compile(f"{LINKS.pattern}|an?|the|its|their|your|my|many|is|are|was|not|very")


class Extra(BaseModel):
    """A question about the persona's own world, with whole replies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ask: tuple[str, ...]
    answers: tuple[str, ...]


class Voice(BaseModel):
    """A voice file. `replies` are whole replies by kind; `openers` and `closers` surround given content."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = ""
    name: str
    role: str
    hobby: str
    rules: tuple[str, ...] = ()
    # Words of the content that this voice says differently.
    words: dict[str, str] = {}
    verse: bool = False
    # The most sentences of content; 0 is no limit.
    sentences: int = 0
    openers: dict[str, tuple[str, ...]]
    closers: dict[str, tuple[str, ...]]
    replies: dict[str, tuple[str, ...]]
    # Whole replies by kind for speakers who lack what all of `replies` name.
    untold: dict[str, tuple[str, ...]] = {}
    extras: tuple[Extra, ...] = ()

    def say(self, turn: Turn, rng: Random, values: Mapping[str, str], bare: bool = False) -> str:
        """A reply to `turn` that obeys this voice's rule. `bare` leaves out openers and closers."""
        known = {**values, "topic": turn.topic} if turn.topic else dict(values)
        for _ in range(DRAFTS):
            text = self._draft(turn, rng, known, bare)
            if "{" not in text and RULES[self.key](text):
                return text
        raise ValueError(f"voice {self.key} has no reply for {turn}")

    def _draft(self, turn: Turn, rng: Random, values: Mapping[str, str], bare: bool) -> str:
        if turn.kind == "extra":
            return turn.content
        if not turn.content:
            able = [reply for reply in self.replies[turn.kind] if set(SLOT.findall(reply)) <= values.keys()]
            return capital(fill(rng.choice(able or self.untold[turn.kind]), values))
        parts = [self._content(turn.content)]
        if not bare:
            if rng.random() < 0.6:
                parts.insert(0, rng.choice(self.openers[turn.kind]))
            if rng.random() < 0.5:
                parts.append(rng.choice(self.closers[turn.kind]))
        return ("\n" if self.verse else " ").join(capital(fill(part, values)) for part in parts)

    def _content(self, text: str) -> str:
        if self.sentences:
            text = " ".join(sentences(text.replace("!", "."))[: self.sentences])
        for word, said in self.words.items():
            text = re.sub(rf"\b{word}\b", said, text)
            text = re.sub(rf"\b{capital(word)}\b", capital(said), text)
        return lines(text) if self.verse else text


def lines(text: str) -> str:
    """`text` broken into verse lines, where the voice may rest: after a comma or before a linking word."""
    return "\n".join(line for sentence in sentences(text) for line in _broken(sentence))


def _broken(sentence: str) -> list[str]:
    words = sentence.split()
    target = len(sentence) / -(-len(sentence) // LINE)
    broken: list[str] = []
    line = ""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        line = f"{line} {word}".strip()
        rest = word[-1] in ",;:" or bool(LINKS.fullmatch(following))
        ready = len(line) >= target * (0.55 if rest else 1) and not HANGING.fullmatch(word.lower())
        if (ready or len(line) > LINE + 4) and len(sentence) > LINE:
            broken.append(line)
            line = ""
    if line and broken and len(line) < 10 and len(broken[-1]) < LINE:
        broken[-1] += " " + line
    elif line:
        broken.append(line)
    return broken


@cache
def voice(key: str) -> Voice:
    return Voice.model_validate({**table(f"voices/{key}"), "key": key})


@cache
def shipped() -> tuple[str, ...]:
    """Keys of the voices that are shipped personas."""
    keys = sorted(path.stem for path in (HERE / "voices").glob("*.toml"))
    return tuple(key for key in keys if key not in ("neutral", "assistant"))
