"""Text as a terminal may show it."""

from __future__ import annotations

import re

# Everything a terminal acts on instead of drawing: C0 and C1 controls but newline and tab (so no escape sequence
# survives, a bare "[31m" is harmless), and the marks that reverse or reorder what follows them.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SURROGATE = re.compile("[\ud800-\udfff]")


def displayable(text: str) -> str:
    """`text` without what could move the cursor, change colours or the title, or hide text."""
    return SURROGATE.sub("\ufffd", UNSAFE.sub("", text.replace("\r\n", "\n")))


def one_line(text: str, width: int) -> str:
    """The beginning of `text` as one line of at most `width` characters."""
    line = " ".join(displayable(text[: width * 4]).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
