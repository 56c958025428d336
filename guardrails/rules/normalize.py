"""Text as a rule reads it: small Latin letters where others only look like them, nothing that cannot be seen.

Written for matching, not for showing: "Ωhаt" becomes "what", and a language with marks on its letters loses them.
A phrase in any script still meets the texts it stands in, because the phrase is normalised, too.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path

import regex

# Each line is a character and others that look like it; comments begin with "# ".
LINES = Path(__file__).with_name("confusables.txt").read_text(encoding="utf-8").splitlines()
LATIN = {ord(char): line[0] for line in LINES if not line.startswith("# ") for char in line[2:]}
# The characters of the tag block that stand for ASCII, once meant for language tags, hide whole sentences.
LATIN |= {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
CONTROLS = dict.fromkeys(code for code in [*range(0x20), 0x7F] if not chr(code).isspace())
# Format characters, variation selectors and marks; but not the marks that make other kana of kana (ガ of カ).
UNSEEN = regex.compile(
    r"(?V1)[[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Mn}\p{Me}\x00-\x08\x0e-\x1b\x7f]--[\u3099\u309a]]+"
)
OTHER_DIGIT = regex.compile(r"(?V1)[\p{Nd}--[0-9]]")


def normalized(text: str) -> str:
    """The text as a rule reads it: `cleaned`, without case, white space as single spaces. Idempotent."""
    while (again := " ".join(cleaned(text).casefold().split())) != text:
        text = again
        if text.isascii():  # nothing more can change
            break
    return text


def cleaned(text: str) -> str:
    """The text without what cannot be seen and with Latin letters for their doubles; case and lines are kept."""
    if text.isascii():
        return text.translate(CONTROLS)
    while not _is_clean(text) and (again := _once(text)) != text:
        text = again
    return text


def _is_clean(text: str) -> bool:
    # Most texts are cleaned again and again, in each of their readings; few have many different characters.
    return unicodedata.is_normalized("NFKC", text) and all(map(_stays, set(text)))


@functools.lru_cache(maxsize=4096)
def _stays(char: str) -> bool:
    return _once(char) == char


def _once(text: str) -> str:
    # Doubles come first: decomposed, a letter in brackets (⒝) would keep the brackets.
    text = unicodedata.normalize("NFKD", text.translate(LATIN))
    text = UNSEEN.sub("", text).translate(LATIN)
    text = OTHER_DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0], digit[0])), text)
    return unicodedata.normalize("NFKC", text)
