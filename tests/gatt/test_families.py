"""The two splits of values: which one a value is in does not depend on the list that it stands on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatt.families import Family, load, words_of


def hobbies(values: list[str], *, all_trained: bool = False) -> Family:
    check = {"kind": "contains", "value": "{x}"}
    worded = {"verbose": ("You like {x}",), "terse": ("Hobby: {x}",)}
    return Family(**worded, values=tuple(values), check=check, all_trained=all_trained)


def values(family: Family, split: str) -> list[str]:
    return [entry.value for entry in family.split("test" if split == "test" else "train")]


@given(st.lists(st.text("abcdefgh", min_size=1), min_size=10, max_size=40, unique=True))
def test_the_splits_are_apart_and_neither_is_empty(names: list[str]) -> None:
    family = hobbies(names)
    train, test = values(family, "train"), values(family, "test")
    assert train
    assert test
    assert sorted(train + test) == sorted(names)


def test_a_value_is_in_the_same_split_in_whatever_letter_case() -> None:
    names = [entry.value for entry in load()["hobby"].choices()]
    lower, upper = (values(hobbies([write(name) for name in names]), "test") for write in (str.lower, str.upper))
    assert [name.upper() for name in lower] == upper


def test_every_shipped_family_with_many_values_keeps_some_for_evaluation() -> None:
    for name, family in load().items():
        if len(family.choices()) >= 10:
            assert len(family.split("test")) >= 2, name


def test_where_all_values_are_trained_none_is_kept_for_evaluation() -> None:
    family = hobbies([f"hobby {number}" for number in range(30)], all_trained=True)
    assert values(family, "train") == values(family, "test") == [f"hobby {number}" for number in range(30)]


def test_the_words_of_a_question_are_the_same_with_other_capitals_and_marks() -> None:
    assert words_of("What's  your name?!") == words_of("what's your NAME") == "what s your name"
