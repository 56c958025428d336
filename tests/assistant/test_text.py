from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.text import clean_text

ANY_CODE_POINT = st.text(st.characters())  # lone surrogates and NUL among them


@given(ANY_CODE_POINT)
def test_cleaned_text_can_be_encoded_and_holds_no_nul(text: str) -> None:
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean_text(cleaned) == cleaned


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_text_that_can_be_stored_is_unchanged(text: str) -> None:
    assert clean_text(text) == text


def test_what_cannot_be_stored_is_replaced_and_the_rest_kept() -> None:
    assert clean_text("a\ud800b\udfffc\0d") == "a�b�c�d"


def test_halves_of_a_surrogate_pair_are_joined() -> None:
    assert clean_text("\ud83d\ude00") == "😀"
