"""Nothing that a terminal acts on is shown."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from assistant.terminal.safe_text import displayable, one_line


@given(st.text(st.characters()))
def test_no_control_character_survives(text: str) -> None:
    shown = displayable(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in shown)
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert displayable(text) == text


def test_text_cannot_be_made_to_read_backwards() -> None:
    assert displayable("a\u202eb\u2066c\u200f") == "abc"


def test_one_line_is_cut_at_its_width() -> None:
    assert one_line("a\n b", 10) == "a b"
    assert one_line("abcdefgh", 5) == "abcd…"
