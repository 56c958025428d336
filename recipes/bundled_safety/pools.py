"""What is taken of every source: each example once, none that is near a public test, at most so many of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

from guardrails.reward.data import Labelled
from recipes.bundled_safety.config import Recipe, Source
from recipes.bundled_safety.meaning import Alike
from recipes.bundled_safety.near import Known, normalised
from recipes.bundled_safety.sources import Example, kind_of, prompt_of, read, texts_of

# How many examples of a source were met, and why some were dropped.
Tally = Counter[str]


class Cleaner:
    """Drops what is near a public test, in words or in meaning, and counts it."""

    def __init__(self, tests: Known, alike: Alike | None) -> None:
        self._tests = tests
        self._alike = alike
        self._judged: dict[str, bool] = {}

    def near(self, one: Example) -> bool:
        """In words; any text of the example counts."""
        return any(self._tests.match(text) is not None for text in texts_of(one))

    def without_same_meaning(self, examples: Sequence[Example], tally: Tally) -> list[Example]:
        """Those of which no user's message means what a test's prompt does."""
        if self._alike is None:
            return list(examples)
        asked = {one: [m.content for m in prompt_of(one) if m.role == "user"] for one in examples}
        new = list(dict.fromkeys(text for texts in asked.values() for text in texts if text not in self._judged))
        self._judged.update(zip(new, self._alike(new), strict=True))
        kept = [one for one in examples if not any(self._judged[text] for text in asked[one])]
        tally["same meaning as a test"] += len(examples) - len(kept)
        return kept

    def cleaned(self, examples: Iterable[Example], tally: Tally) -> list[Example]:
        """Those that are near no test at all."""
        found = list(examples)
        kept = [one for one in found if not self.near(one)]
        tally["met"] += len(found)
        tally["near a test"] += len(found) - len(kept)
        return self.without_same_meaning(kept, tally)


def take(source: Source, recipe: Recipe, folders: Mapping[str, Path], cleaner: Cleaner, tally: Tally) -> list[Example]:
    """The source's examples in an order of its own, the same for the same seed."""
    found = list(read(source, folders))
    Random(f"{recipe.seed}/{source.src}").shuffle(found)
    taken: list[Example] = []
    of_kind: Counter[str] = Counter()
    of_prompt: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, ...]] = set()
    for one in found:
        kind = kind_of(one)
        prompt = " ".join(message.content for message in prompt_of(one))
        if of_kind[kind] == source.most or of_prompt[kind, prompt] == (source.per_prompt or -1):
            continue
        tally["met"] += 1
        text = (kind, *map(normalised, texts_of(one)))
        if text in seen:
            tally["met before"] += 1
        elif cleaner.near(one):
            tally["near a test"] += 1
        else:
            seen.add(text)
            taken.append(one)
            of_kind[kind] += 1
            of_prompt[kind, prompt] += 1
    return cleaner.without_same_meaning(taken, tally)


def prompts_of(examples: Iterable[Example]) -> list[Labelled]:
    """The labelled prompts among the examples."""
    return [one for one in examples if isinstance(one, Labelled) and not one.exchange.reply]


def replies_of(examples: Iterable[Example]) -> list[Labelled]:
    """The labelled replies among the examples, those to nothing included."""
    return [one for one in examples if isinstance(one, Labelled) and one.exchange.reply]
