"""Every way a text may be meant to be read.

A text is read as it stands, and with each code, cipher, spelling or hidden message in it resolved; the result may hold
another, so this is done up to three times over, with at most two ciphers among the three. Ciphers that any text could
be in (ROT13, Atbash, backwards) are always tried: such readings of plain prose are gibberish that no rule meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import regex

from guardrails.rules import ciphers, encodings, hidden, spelled
from guardrails.rules.normalize import cleaned, normalized

DEPTH = 3
MAX_CIPHERS = 2
# A text that holds many codes at once stops being resolved here; as it stands it is always read in full.
MAX_TEXTS = 64
MAX_CHARS = 400_000
# A file in base64 is no text in a cipher.
DATA = regex.compile(r"[A-Za-z0-9+/_=-]{4000,}+")
# A run of letters this long is no word but words stuck together, whose edges cannot be seen.
STUCK = 16
STUCK_RUN = regex.compile(rf"(?<![^\W_])\p{{L}}{{{STUCK},}}+(?![^\W_])")
MAX_STUCK = 200

HIDDEN: tuple[Callable[[str], str], ...] = (
    hidden.from_selectors,
    hidden.from_bits,
    hidden.from_tags,
    hidden.without_tags,
)
CODES: tuple[Callable[[str], str], ...] = (
    encodings.from_percent,
    encodings.from_entities,
    encodings.from_escapes,
    encodings.from_quoted_printable,
    encodings.from_uu,
    encodings.from_hex,
    encodings.from_numbers,
    encodings.from_base32,
    encodings.from_base64,
    encodings.from_ascii85,
    spelled.from_braille,
    spelled.from_morse,
    spelled.from_radio,
    spelled.from_spread,
)
CIPHERS: tuple[Callable[[str], str], ...] = (
    ciphers.rot13,
    ciphers.atbash,
    ciphers.backwards,
    ciphers.words_backwards,
)


def readings(text: str) -> Iterator[str]:
    """The normalised text, then its other readings, each normalised and once.

    At most `MAX_TEXTS` resolved texts of `MAX_CHARS` characters together, each in up to six spellings (digits for
    letters or not, marks inside words or not), and `MAX_STUCK` long runs of letters by themselves.
    """
    known: set[str] = set()
    stuck = 0
    for resolved, count in _resolved(text):
        for reading in _spellings(normalized(resolved), marks=count == 0):
            if reading in known:
                continue
            known.add(reading)
            yield reading
            runs = [run for word in reading.split() if len(word) >= STUCK for run in STUCK_RUN.findall(word)]
            for run in islice(dict.fromkeys(runs), MAX_STUCK - stuck):
                stuck += 1
                if run not in known:
                    known.add(run)
                    yield run


def _resolved(text: str) -> Iterator[tuple[str, int]]:
    """The texts and the number of ciphers resolved in each; what takes fewest steps comes first."""
    known: set[str] = set()
    spent = 0
    level = [(text, 0)]
    for depth in range(DEPTH + 1):
        following: list[tuple[str, int]] = []
        for raw, count in level:
            clean = cleaned(raw)
            key = " ".join(clean.split())
            if key in known or (known and spent + len(clean) > MAX_CHARS):
                continue
            if len(known) >= MAX_TEXTS:
                return
            known.add(key)
            spent += len(clean)
            yield clean, count
            if depth < DEPTH:
                following += [(new, count) for new in _decoded(raw, clean)]
                if count < MAX_CIPHERS:
                    words = DATA.sub(" ", clean)
                    following += [(cipher(words), count + 1) for cipher in CIPHERS]
        level = following


def _decoded(raw: str, clean: str) -> list[str]:
    """The text with its hidden messages shown, with one kind of code resolved, and with all of them one by one."""
    found = [reveal(raw) for reveal in HIDDEN] if raw != clean else []
    decoded = [new for decode in CODES if (new := decode(clean)) != clean]
    if len(decoded) > 1:
        everything = clean
        for decode in CODES:
            everything = decode(everything)
        found.append(everything)
    return found + decoded


def _spellings(text: str, *, marks: bool) -> Iterator[str]:
    """The text with digits for letters and, where asked for, marks inside words, and the same without either."""
    found = [text, *ciphers.unleeted(text)]
    for spelling in found + [ciphers.unbroken(one) for one in found if marks]:
        # Removing marks or replacing digits leaves no more to normalise in ASCII; elsewhere it might.
        yield spelling if spelling.isascii() else normalized(spelling)
