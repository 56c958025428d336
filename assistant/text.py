"""Text at the boundary: what comes in is made storable once, here."""

from __future__ import annotations

REPLACEMENT = "�"
TITLE_WIDTH = 60


def clean_text(text: str) -> str:
    """Text that every database, file and socket can hold.

    Lone surrogates cannot be encoded as UTF-8, and NUL ends a string in SQLite's functions and is refused by
    PostgreSQL: both become U+FFFD. Two halves of one surrogate pair are joined. Any other text comes back unchanged.
    """
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def title_of(text: str) -> str:
    """A conversation is called by the beginning of its first message until somebody names it."""
    line = " ".join(text[: TITLE_WIDTH * 4].split())
    return line if len(line) <= TITLE_WIDTH else line[: TITLE_WIDTH - 1].rstrip() + "…"
