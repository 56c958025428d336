"""Whether bytes are text at all: what every decoder asks before it believes itself."""

from __future__ import annotations

import codecs

import regex

# Control characters and code points without a character; format characters may carry a further message.
NO_TEXT = regex.compile(r"(?V1)[[\p{Cc}\p{Cn}\p{Co}\p{Cs}]--\s]")
MOSTLY = 0.9


def legible(data: bytes, *, cut: bool = False) -> str | None:
    """The UTF-8 text in the bytes; None where they are no text or not mostly printable.

    Of bytes that were `cut` off the last character may be incomplete.
    """
    try:
        text, _ = codecs.utf_8_decode(data, "strict", not cut)
    except UnicodeDecodeError:
        return None
    if not text.isprintable() and len(NO_TEXT.findall(text)) > (1 - MOSTLY) * len(text):
        return None
    return text
