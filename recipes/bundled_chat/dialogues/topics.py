"""Topics: what is said about the world, read from the recipe's topic files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict

from recipes.bundled_chat.dialogues.turns import Turn, one_of, rough, sentences, table

# Nouns whose plural is formed by rule.
REGULAR = re.compile(r"^[A-Za-z]+( [a-z]+)?$(?<!fe)(?<!f)(?<!fish)(?<!man)(?<!child)(?<!us)(?<!mouse)(?<!sheep)")


def plurals(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh", "potato", "tomato", "volcano", "mango")):
        return noun + "es"
    return noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + "s"


class Topic(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    plural: bool
    what: tuple[str, ...]
    how: tuple[str, ...]
    why: tuple[str, ...]
    example: tuple[str, ...]
    simple: tuple[str, ...]
    fact: tuple[str, ...]
    tip: tuple[str, ...]
    words: tuple[str, ...]

    def slots(self, rng: Random) -> dict[str, str]:
        """Words for a question. Users also name a thing without its article or in the plural."""
        plural, said = self.plural, self.name
        article, _, noun = said.partition(" ")
        draw = rng.random()
        if article in ("a", "an") and draw < 0.3:
            plural = draw < 0.2 and bool(REGULAR.search(noun))
            said = plurals(noun) if plural else noun
        return {
            "x": said,
            "is": "are" if plural else "is",
            "does": "do" if plural else "does",
            "it": "they" if plural else "it",
            "them": "them" if plural else "it",
            "matters": "matter" if plural else "matters",
            "works": "work" if plural else "works",
        }


class Comparison(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str
    b: str
    text: tuple[str, ...]


@dataclass(frozen=True)
class Library:
    topics: tuple[Topic, ...]
    comparisons: tuple[Comparison, ...]
    # The topics' names in one text, in lower case.
    covered: str


def read(folder: Path) -> Library:
    """All topic files of `folder`. Files of one topic list are joined in name order."""
    topics: list[Topic] = []
    comparisons: list[Comparison] = []
    for path in sorted(folder.glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        topics += [Topic.model_validate(row) for row in content.get("topic", [])]
        comparisons += [Comparison.model_validate(row) for row in content.get("compare", [])]
    if not topics:
        raise ValueError(f"no topics in {folder}")
    covered = "; ".join(topic.name for topic in topics).lower()
    return Library(tuple(topics), tuple(comparisons), covered)


FOLLOW_UPS = ("how", "example", "why", "simple", "fact", "tip", "more", "words", "short")
FOLLOW_WEIGHTS = (20, 15, 15, 9, 11, 9, 14, 3, 4)


def ask(topic: Topic, about: str, rng: Random, used: set[str], follow: bool) -> Turn:
    """A question about `topic`. A follow-up may say "it" instead of the topic's name."""
    phrases = table("questions")[about]
    by_name = phrases["direct"]
    phrasings = phrases["follow"] if follow and rng.random() < 0.75 else by_name
    user = rough(one_of(rng, phrasings, **topic.slots(rng)), rng)
    return Turn(user, "explain", _answer(topic, about, rng, used), topic.name)


def _answer(topic: Topic, about: str, rng: Random, used: set[str]) -> str:
    if about == "words":
        return "Three words to know are {}, {} and {}.".format(*topic.words[:3])
    if about == "short":
        return sentences(rng.choice(topic.what))[0]
    texts: tuple[str, ...] = topic.what + topic.how + topic.fact if about == "more" else getattr(topic, about)
    fresh = [text for text in texts if text not in used] or list(texts)
    text = rng.choice(fresh)
    used.add(text)
    return text


def compare(library: Library, rng: Random) -> Turn:
    pair = rng.choice(library.comparisons)
    a, b = (pair.a, pair.b) if rng.random() < 0.7 else (pair.b, pair.a)
    user = rough(one_of(rng, table("questions")["compare"], a=a, b=b), rng)
    return Turn(user, "explain", rng.choice(pair.text), f"{a} and {b}")
