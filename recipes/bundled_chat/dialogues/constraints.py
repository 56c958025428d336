"""Replies that obey an instruction's constraints mechanically: what the families demand is put into plain answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random

from gatt import families
from gatt.families import Constraint, Family, Split
from recipes.bundled_chat import values
from recipes.bundled_chat.dialogues.turns import one_of, sentences, table

# The model speaks English alone.
UNSPOKEN = ("language",)
# A constraint of a later family must not spoil what an earlier one did.
ORDER = (
    "haiku", "rhyme", "sentence", "length", "address", "vocabulary", "opening", "closing", "emoji", "bullets", "case",
    "format", "json",
)  # fmt: skip
# Kinds of turn whose verse must say so.
DECLINED = ("refuse", "care")
# Before these words a sentence may end, if it has at least so many words by then.
BREAKS = re.compile("that|which|who|where|when|while|because|so|as|and|but|with|for|in|on|from|by|to|at|if")
FEWEST = 4
# How often each style family is drawn, against one another; those with many values take longest to learn.
STYLE = {
    "closing": 20, "opening": 16, "address": 14, "vocabulary": 12, "emoji": 8, "sentence": 7, "length": 6, "case": 8,
    "json": 6, "bullets": 6, "format": 6, "haiku": 6, "rhyme": 6,
}  # fmt: skip
# The same for the second tuning: what the first left weak comes often.
FIRM_STYLE = STYLE | {"closing": 8, "opening": 8, "address": 6, "vocabulary": 6, "length": 14, "case": 20, "haiku": 16,
                      "rhyme": 14}  # fmt: skip


@cache
def known() -> dict[str, Family]:
    """The families that the model can obey at all."""
    return {name: family for name, family in values.extended().items() if name not in UNSPOKEN}


def draw(
    rng: Random, most: int, others: Sequence[str] = (), weights: Mapping[str, int] = STYLE
) -> tuple[Constraint, ...]:
    """None to `most` style constraints that go together and with the families `others`, in the order of applying."""
    count = rng.choices(range(most + 1), (1, 6, 3, 1)[: most + 1])[0]
    picked: list[str] = []
    for name in rng.choices(list(weights), list(weights.values()), k=6):
        fits = all(families.go_together(known(), name, other) for other in (*picked, *others))
        if len(picked) < count and name not in picked and fits:
            picked.append(name)
    return drawn(picked, rng)


def drawn(
    names: Sequence[str], rng: Random, among: Mapping[str, Family] | None = None, split: Split = "all"
) -> tuple[Constraint, ...]:
    """One constraint of each named family, in the order of applying; `among` other families than the known ones."""
    ordered = sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else -1)
    return families.only(among or known(), ordered, rng, split=split).constraints


def worded(rules: Sequence[Constraint], rng: Random, *, terse: bool) -> str:
    """The words of an instruction, its rules in any order."""
    parts = [rule.terse if terse else rule.verbose for rule in rules]
    rng.shuffle(parts)
    return " ".join(parts)


def apply(constraint: Constraint, text: str, rng: Random, kind: str = "") -> str:
    """`text` changed to obey one constraint. Constraints that only questions bring out change nothing.

    Verse is not made of the text but drawn by the `kind` of turn it answers: it must decline what the text declines.
    """
    if constraint.family in VERSE:
        return VERSE[constraint.family](kind, rng)
    change = APPLY.get(constraint.family)
    return change(text, constraint.value, rng) if change else text


def obeys(text: str, constraints: Sequence[Constraint]) -> bool:
    """Whether `text` obeys all constraints that show in every reply."""
    return all(one.check.passes(text) for one in constraints if not one.probes)


def _address(text: str, value: str, _: Random) -> str:
    first, *others = sentences(text)
    first = f"{first[:-1]}, {value}{first[-1]}" if first[-1] in ".!?" else f"{first}, {value}."
    return " ".join([first, *others])


def _bullets(text: str, _: str, rng: Random) -> str:
    parts = sentences(text)
    if len(parts) == 1:
        parts.append(rng.choice(table("additions")["bullets"]))
    parts = [*parts[:2], " ".join(parts[2:])] if len(parts) > 2 else parts
    return "\n".join(f"- {part}" for part in parts)


def _length(text: str, value: str, _: Random) -> str:
    """As many of the first sentences as the words allow, or as much of the first as makes sense.

    Nothing may fit, and then another answer must be found.
    """
    kept, *others = sentences(text)
    if len(kept.split()) > int(value):
        return _clause(kept, int(value))
    for sentence in others:
        if len(f"{kept} {sentence}".split()) > int(value):
            break
        kept += f" {sentence}"
    return kept


def _clause(sentence: str, most: int) -> str:
    """The longest beginning of at most `most` words that can stand alone; the sentence itself where none can."""
    words = sentence.split()
    for end in range(min(most, len(words) - 1), FEWEST - 1, -1):
        if words[end - 1][-1] == "," or BREAKS.fullmatch(words[end]):
            return " ".join(words[:end]).rstrip(",;:") + "."
    return sentence


def _haiku(kind: str, rng: Random) -> str:
    lines = table("additions")[f"haiku_{kind}" if kind in DECLINED else "haiku"]
    return "\n".join(rng.choice(lines[part]) for part in ("first", "second", "third"))


def _couplet(kind: str, rng: Random) -> str:
    lines: list[str] = table("additions")["rhyme"][kind if kind in DECLINED else "couplets"]
    return rng.choice(lines)


VERSE: dict[str, Callable[[str, Random], str]] = {"haiku": _haiku, "rhyme": _couplet}
APPLY: dict[str, Callable[[str, str, Random], str]] = {
    "sentence": lambda text, value, rng: sentences(text)[0],
    "address": _address,
    "vocabulary": lambda text, value, rng: f"{text} {one_of(rng, table('additions')['vocabulary'], x=value)}",
    "opening": lambda text, value, rng: f"{value} {text}",
    "closing": lambda text, value, rng: f"{text} {value}",
    "emoji": lambda text, value, rng: f"{text} {value}",
    "bullets": _bullets,
    "length": _length,
    "case": lambda text, value, rng: text.lower() if value == "lower" else text.upper(),
    "format": lambda text, value, rng: f'"{text}"',
    "json": lambda text, value, rng: json.dumps({"answer": text}, ensure_ascii=False),
}
