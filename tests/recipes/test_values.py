"""Made-up values: many, beside the shipped ones, and none of those that evaluation keeps."""

from __future__ import annotations

import pytest

from gatt import families
from recipes.bundled_chat.values import MADE, extended


@pytest.mark.parametrize("name", MADE)
def test_made_up_values_stand_beside_the_shipped_ones(name: str) -> None:
    shipped, made = families.load()[name], extended()[name]
    values = [entry.value for entry in made.choices()]
    assert values[: len(shipped.values)] == list(shipped.values)
    assert len(values) > 1000
    assert len({value.casefold() for value in values}) == len(values)


@pytest.mark.parametrize("name", MADE)
def test_what_evaluation_keeps_is_kept_among_the_made_up_ones_too(name: str) -> None:
    kept = {entry.value.casefold() for entry in families.load()[name].split("test")}
    learned = {entry.value.casefold() for entry in extended()[name].split("train")}
    assert kept
    assert not kept & learned
