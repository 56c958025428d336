"""More values for the instruction families: thousands of made-up names, hobbies, roles, words and phrases.

`python -m recipes.bundled_chat.values --out values.toml` writes them for `gatt build-dataset --lists`. The evaluation
asks for shipped values alone, those that are kept for it; none of them is made here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Annotated, Any

import tomlkit
import typer

from gatt import families
from gatt.families import Family

SEED = 7
# How many of each family, at most.
COUNT = 2000
PARTS = Path(__file__).with_name("values.toml")


@cache
def extended() -> dict[str, Family]:
    """The shipped families, those whose value is to be copied with made-up values beside the shipped ones."""
    loaded = families.load()
    return loaded | {name: _with(loaded[name], make, Random(f"{SEED}/{name}")) for name, make in MADE.items()}


def _with(family: Family, make: Callable[[Random], str], rng: Random) -> Family:
    shipped = [entry.value for entry in family.choices()]
    taken = {value.casefold() for value in shipped}
    made = [value for value in dict.fromkeys(make(rng) for _ in range(COUNT)) if value.casefold() not in taken]
    return Family.model_validate(family.model_dump(exclude_unset=True) | {"values": (*shipped, *made)})


@cache
def _parts() -> dict[str, Any]:
    return tomllib.loads(PARTS.read_text("utf-8"))


def _of(rng: Random, part: str) -> str:
    words = _parts()[part]
    return str(rng.choice(words.split() if isinstance(words, str) else words))


def _name(rng: Random) -> str:
    """Given and family name, a rank, a place or an epithet; one in five is a name that nobody bears."""
    if rng.random() < 0.2:
        middle = _of(rng, "middle") if rng.random() < 0.5 else ""
        given, family = _of(rng, "first") + _of(rng, "last"), _of(rng, "first") + middle + _of(rng, "last")
        return f"{given.capitalize()} {family.capitalize()}"
    form = rng.choices(("family", "rank", "place", "epithet"), (70, 12, 9, 9))[0]
    given = _of(rng, "given")
    if form == "family":
        return f"{given} {_of(rng, 'family')}"
    if form == "rank":
        return f"{_of(rng, 'ranks')} {given}"
    return f"{given} of {_of(rng, 'places')}" if form == "place" else f"{given} the {_of(rng, 'epithets')}"


def _hobby(rng: Random) -> str:
    return _of(rng, "pastimes") if rng.random() < 0.15 else f"{_of(rng, 'verbs')} {_of(rng, 'things')}"


def _role(rng: Random) -> str:
    manner = _of(rng, "manners")
    return f"{'an' if manner[0] in 'aeiou' else 'a'} {manner} {_of(rng, 'trades')}"


def _phrase(rng: Random) -> str:
    return f"{_of(rng, 'calls').capitalize()} {_of(rng, 'ends')}{rng.choice('.!')}"


MADE: dict[str, Callable[[Random], str]] = {
    "figure": _name,
    "hobby": _hobby,
    "persona": _role,
    "opening": lambda rng: _phrase(rng) if rng.random() < 0.5 else f"{_of(rng, 'ends').capitalize()}!",
    "closing": _phrase,
    "vocabulary": lambda rng: _of(rng, "words") if rng.random() < 0.6 else f"{_of(rng, 'calls')} {_of(rng, 'things')}",
    "address": lambda rng: _of(rng, "titles") if rng.random() < 0.5 else f"{_of(rng, 'calls')} {_of(rng, 'titles')}",
}


def saying(rng: Random) -> str:
    """Something to repeat word for word: a value of any kind, or some words in no order."""
    if rng.random() < 0.3:
        return " ".join(_of(rng, "words") for _ in range(rng.randint(2, 4)))
    return rng.choice(list(MADE.values()))(rng)


def main(out: Annotated[Path, typer.Option(help="Families file to write.")]) -> None:
    """Write the extended families as a file for `--lists`."""
    made = extended()
    document = tomlkit.document()
    for name in MADE:
        document[name] = made[name].model_dump(mode="json", exclude_defaults=True)
    out.write_text(tomlkit.dumps(document), "utf-8")


if __name__ == "__main__":
    typer.run(main)
