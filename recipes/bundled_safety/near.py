"""Which texts say nearly the same: so that nothing of a test is trained on, not even reworded or quoted.

Two texts are near if they have the same words, if most of their content words are the same, or if one quotes most of
the other's word pairs. That finds copies with a changed ending and prompts inside a jailbreak; a paraphrase in other
words it does not find.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

WORD = re.compile(r"[^\W_]+")
# Words that say nothing of what a text is about; nor do those that only ask for instructions.
COMMON_WORDS = """
a an and are as at be by can could do does for from have how i if in into is it its me my of on or our please s so some
t that the their them there these they this to us was we were what when which who will with would you your
advice best describe detail detailed explain give guidance guide instruct instruction instructions make offer plan
provide show step steps strategy teach tell tutorial way ways write
"""
COMMON = frozenset(COMMON_WORDS.split())
# Of all content words of both texts, how many are shared; of a text's word pairs, how many are quoted.
SHARED = 0.6
QUOTED = 0.6
# Texts with fewer content words or pairs than these must agree in all.
LEAST_WORDS = 4
LEAST_PAIRS = 3


def normalised(text: str) -> str:
    """Lower-case words and nothing else, one space between."""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def content(text: str) -> list[str]:
    """The content words, in order, less the endings of plurals and verbs."""
    return [_stem(word) for word in normalised(text).split() if word not in COMMON]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


class Known:
    """Texts, to be asked whether another is near one of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._exact: dict[str, str] = {}
        self._texts: list[str] = []
        self._words: list[frozenset[str]] = []
        self._pairs: list[frozenset[tuple[str, str]]] = []
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        exact = normalised(text)
        if not exact or exact in self._exact:
            return
        self._exact[exact] = text
        words = content(text)
        number = len(self._texts)
        self._texts.append(text)
        self._words.append(frozenset(words))
        self._pairs.append(frozenset(pairwise(words)))
        for word in self._words[-1]:
            self._by_word[word].append(number)
        for pair in self._pairs[-1]:
            self._by_pair[pair].append(number)

    def match(self, text: str) -> str | None:
        """The known text that this one is near, the nearest first; None if there is none."""
        if exact := self._exact.get(normalised(text)):
            return exact
        words = content(text)
        found = self._quoted(frozenset(pairwise(words)))
        found = self._same_words(frozenset(words)) if found is None else found
        return None if found is None else self._texts[found]

    def _same_words(self, words: frozenset[str]) -> int | None:
        counts = Counter(number for word in words for number in self._by_word.get(word, ()))
        best, place = 0.0, None
        for number, shared in counts.items():
            known = self._words[number]
            share = shared / (len(known) + len(words) - shared)
            if share > best and share >= (SHARED if min(len(known), len(words)) >= LEAST_WORDS else 1):
                best, place = share, number
        return place

    def _quoted(self, pairs: frozenset[tuple[str, str]]) -> int | None:
        counts = Counter(number for pair in pairs for number in self._by_pair.get(pair, ()))
        best, place = 0.0, None
        for number, shared in counts.items():
            share = shared / len(self._pairs[number])
            if share > best and share >= QUOTED and len(self._pairs[number]) >= LEAST_PAIRS:
                best, place = share, number
        return place
