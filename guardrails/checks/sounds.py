"""How English words sound: their syllables and what rhymes.

From the Carnegie Mellon Pronouncing Dictionary (`cmudict.xz`, 135,166 pronunciations as published by
github.com/cmusphinx/cmudict; licence in `cmudict-license.txt`), and from the spelling for words that are not in it.
The dictionary is carried along because the Python packages that wrap it are under the GPL.
"""

from __future__ import annotations

import functools
import lzma
import unicodedata
from importlib.resources import files

import regex

WORD = regex.compile(r"[\p{L}\p{M}\d]+(?:'[\p{L}\p{M}]+)*")
VOWELS = regex.compile(r"[aeiouy]+")
SPELLED_TAIL = regex.compile(r"[aeiouy]+[^aeiouy]*e?\Z")
DIGIT_SYLLABLES = {"0": 2, "7": 2}
LONGEST = 40


@functools.cache
def _dictionary() -> dict[str, list[str]]:
    """The pronunciations of each word, loaded once (a quarter of a second)."""
    text = lzma.decompress(files("guardrails.checks").joinpath("cmudict.xz").read_bytes()).decode()
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, sound = line.partition("#")[0].strip().partition(" ")
        found.setdefault(word.split("(")[0], []).append(sound)
    return found


def words(text: str) -> list[str]:
    """The words of a text as the dictionary spells them; a hyphen divides."""
    return [word[-LONGEST:] for word in WORD.findall(text.lower().replace("’", "'"))]


def _plain(word: str) -> str:
    """Without accents, so that a spelling can be read as English."""
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def pronunciations(word: str) -> list[list[str]]:
    """The word's phonemes, vowels with their stress, once for each way to say it; none where it is unknown."""
    found = _dictionary().get(word) or _dictionary().get(_plain(word)) or []
    return [sound.split() for sound in found]


def syllables(word: str) -> set[int]:
    """How many syllables the word may have."""
    if sounds := pronunciations(word):
        return {sum(phoneme[-1].isdigit() for phoneme in sound) for sound in sounds}
    return {_spelled_syllables(_plain(word))}


def _spelled_syllables(word: str) -> int:
    """Groups of vowels, less a final silent e or ed, plus what is pronounced apart."""
    if word.isdecimal():
        return sum(DIGIT_SYLLABLES.get(digit, 1) for digit in word)
    found = sum(1 for _ in VOWELS.finditer(word))
    if regex.search(r"[^aeiouyl]e\Z|[aeiouy]le\Z|[^aeiouytd]ed\Z|[^aeiouysxzcghl]es\Z|[aeiouy]les\Z", word):
        found -= 1
    if regex.search(r"i[ao](?!ns?\b|us\b)|eo|[aeiou]ing\Z", word):
        found += 1
    return max(found, 1)


def tails(word: str) -> set[str]:
    """What a rhyme must share: the sounds from the last stressed vowel on.

    A word of three or more syllables that ends in two unstressed ones rhymes with its last one, too: "eternity" with
    "me".
    """
    found: set[str] = set()
    for sound in pronunciations(word):
        vowels = [index for index, phoneme in enumerate(sound) if phoneme[-1].isdigit()]
        if not vowels:
            continue
        stressed = [index for index in vowels if not sound[index].endswith("0")]
        starts = [stressed[-1] if stressed else vowels[-1]]
        if len(vowels) > 2 and all(sound[index].endswith("0") for index in vowels[-2:]):
            starts.append(vowels[-1])
        found.update(" ".join(phoneme.rstrip("012") for phoneme in sound[start:]) for start in starts)
    return found


def spelled_tail(word: str) -> str:
    """The letters from the last vowel that is heard on."""
    found = SPELLED_TAIL.search(_plain(word))
    return found[0] if found else word


def rhyme(one: str, other: str) -> bool:
    """Whether two words rhyme: by sound if both are known, else by spelling. A word does not rhyme with itself."""
    if one == other:
        return False
    if (first := tails(one)) and (second := tails(other)):
        return bool(first & second)
    return spelled_tail(one) == spelled_tail(other)
