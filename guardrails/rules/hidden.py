"""Messages in characters that nobody sees. Each function puts what it finds in place of the characters that hid it."""

from __future__ import annotations

from collections.abc import Callable

import regex

from guardrails.rules.legible import legible

SELECTOR = regex.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Each pair of invisible characters writes 0 and 1.
BIT_PAIRS = (regex.compile("[\u2062\u2064]"), regex.compile("[\u200b\u200c]"))
ZEROS = "\u2062\u200b"
TAG_RUN = regex.compile(r"[\U000e0020-\U000e007e]+")
# As bytes the selectors that only choose how an emoji looks would be control characters.
EMOJI_STYLES = b"\x0e\x0f"
SHORTEST = 3
# What was hidden is a sentence of its own; a rule's words may still stand on either side of such marks.
SET_OFF = ". {} ."


def from_selectors(text: str) -> str:
    """Bytes written as variation selectors, wherever in the text they stand ("emoji smuggling")."""
    return _revealed(text, SELECTOR, lambda found: bytes(map(_selector_byte, found)).translate(None, EMOJI_STYLES))


def from_bits(text: str) -> str:
    """Bytes written with two invisible characters, wherever in the text they stand ("sneaky bits")."""
    for pattern in BIT_PAIRS:
        text = _revealed(text, pattern, _bytes_of_bits)
    return text


def from_tags(text: str) -> str:
    """Tag characters as the ASCII they stand for, set off from the text around them."""
    return str(TAG_RUN.sub(lambda run: SET_OFF.format("".join(chr(ord(char) - 0xE0000) for char in run[0])), text))


def without_tags(text: str) -> str:
    """The text around the tag characters."""
    return str(TAG_RUN.sub("", text))


def _selector_byte(char: str) -> int:
    code = ord(char)
    return code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16


def _bytes_of_bits(found: list[str]) -> bytes:
    bits = "".join("0" if char in ZEROS else "1" for char in found)
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits) - 7, 8))


def _revealed(text: str, pattern: regex.Pattern[str], decode: Callable[[list[str]], bytes]) -> str:
    first = pattern.search(text)
    if first is None:
        return text
    data = decode(pattern.findall(text))
    message = legible(data) if len(data) >= SHORTEST else None
    if message is None:
        return text
    return text[: first.start()] + SET_OFF.format(message) + str(pattern.sub("", text[first.start() :]))
