"""Instruction families: what an assistant can be told once, and how a program sees whether it obeys.

`families.toml` beside this file holds the shipped ones. The paper's three are hobby, language and public figure
(Llama 2, section 3.3); the others follow the same form. A file of one's own adds families or replaces shipped ones.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gatt.errors import GattError
from guardrails.checks.check import Check
from guardrails.errors import first_mistake

SHIPPED = Path(__file__).with_name("families.toml")
# One value in five is kept for evaluation, so that recall is measured on values that no training row has named.
TEST_SHARE = 5
SPLITTABLE = 10
Split = Literal["train", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "test", "all")


class FamilyError(GattError):
    """A families file, a name or a combination that cannot be used; the text says the fix."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing demanded, worded. With `asks` and `probes` it shows only when asked for, else in every reply.

    `asks` are the questions of training rows, `probes` those of the evaluation.
    """

    family: str
    value: str
    verbose: str
    terse: str
    check: Check
    asks: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instruction:
    """Constraints that hold together."""

    constraints: tuple[Constraint, ...]

    def text(self, *, terse: bool = False) -> str:
        """The words of the instruction; `terse` is the paper's less verbose form ("Figure: Napoleon.")."""
        return " ".join(one.terse if terse else one.verbose for one in self.constraints)

    def shown_in_every_reply(self) -> list[Constraint]:
        return [one for one in self.constraints if not one.probes]

    def asked_for(self) -> list[Constraint]:
        return [one for one in self.constraints if one.probes]


def joined(instruction: str, user: str) -> str:
    """A user message with the instruction joined to it, as every one is for sampling, and for a reminder."""
    return f"{instruction}\n\n{user}"


def words_of(text: str) -> str:
    """The words of a question, so that one with other capitals and marks is known as the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(Strict):
    """One value with wordings or a check of its own; what is left out comes from the family."""

    value: str
    verbose: tuple[str, ...] = ()
    terse: tuple[str, ...] = ()
    check: dict[str, Any] | None = None


class Family(Strict):
    """Wordings with a slot {x} for the value; in the check, `{last}` is its last word and `{bare}` all but its first.

    Families of one `group`, and those a family `excludes`, are never combined. Where `all_trained`, no value is kept
    for evaluation: for the personas of one's own product, all of which are to hold.
    """

    verbose: tuple[str, ...] = ()
    terse: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    check: dict[str, Any] = {}
    asks: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    group: str = ""
    excludes: tuple[str, ...] = ()
    all_trained: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Family:
        if bool(self.asks) != bool(self.probes):
            raise ValueError("asks (training) and probes (evaluation) come together")
        for entry in self.choices():
            if not (entry.verbose or self.verbose) or not (entry.terse or self.terse):
                raise ValueError(f"value {entry.value!r} has no verbose or no terse wording")
            self.check_of(entry)
        return self

    def choices(self) -> list[Entry]:
        """Every value, as an entry."""
        return self._splits["all"]

    def split(self, split: Split) -> list[Entry]:
        """The values of one split. Families with few values, and those `all_trained`, have the same ones in both.

        A value is in the same split of every list that it stands on, in whatever letter case: by its hash. Only
        where that leaves a split empty does the first value by hash take that place.
        """
        return self._splits[split]

    @cached_property
    def _splits(self) -> dict[Split, list[Entry]]:
        """Made once: a list of thousands is drawn from thousands of times."""
        choices = [*self.entries, *(Entry(value=value) for value in self.values)] or [Entry(value="")]
        if len(choices) < SPLITTABLE or self.all_trained:
            return {"train": choices, "test": choices, "all": choices}
        hashes = {one.value: zlib.crc32(one.value.casefold().encode()) for one in choices}
        test = {value for value, digest in hashes.items() if digest % TEST_SHARE == 0}
        if len(test) in (0, len(hashes)):
            test = {min(hashes, key=lambda value: hashes[value])}
        return {
            "train": [one for one in choices if one.value not in test],
            "test": [one for one in choices if one.value in test],
            "all": choices,
        }

    def constraint(self, name: str, entry: Entry, rng: Random) -> Constraint:
        """The value in words drawn from the wordings."""
        verbose = rng.choice(entry.verbose or self.verbose).replace("{x}", entry.value)
        terse = rng.choice(entry.terse or self.terse).replace("{x}", entry.value)
        return Constraint(
            name, entry.value, _sentence(verbose), _sentence(terse), self.check_of(entry), self.asks, self.probes
        )

    def check_of(self, entry: Entry) -> Check:
        """The check of one value: the family's, or the entry's own."""
        words = entry.value.split()
        slots = {"{x}": entry.value, "{last}": words[-1] if words else "", "{bare}": " ".join(words[1:])}
        filled = {}
        for key, value in (entry.check or self.check).items():
            for slot, text in slots.items():
                value = value.replace(slot, text) if isinstance(value, str) else value
            filled[key] = value
        return Check.model_validate(filled)


def load(*files: Path) -> dict[str, Family]:
    """The shipped families, then those of `files`, which add to them or replace them by name.

    Raises:
        FamilyError: a file cannot be read, or a family in it is wrong.
    """
    families: dict[str, Family] = {}
    for file in (SHIPPED, *files):
        try:
            tables = tomllib.loads(file.read_text("utf-8"))
            families |= {name: Family.model_validate(table) for name, table in tables.items()}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise FamilyError(f"families file {file} cannot be read: {error}") from error
        except ValidationError as error:
            raise FamilyError(f"families file {file}: {first_mistake(error, 'family')}") from error
    return families


def chosen(families: Mapping[str, Family], names: Sequence[str], held_out: Sequence[str] = ()) -> list[str]:
    """The families named (none named: all), less those held out, in the file's order.

    Raises:
        FamilyError: an unknown name, or nothing left.
    """
    for name in (*names, *held_out):
        if name not in families:
            raise FamilyError(f"there is no family '{name}': the families are {', '.join(families)}")
    left = [name for name in families if (not names or name in names) and name not in held_out]
    if not left:
        raise FamilyError("no family is left: name fewer in --hold-out, or more in --families")
    return left


def draw(families: Mapping[str, Family], names: Sequence[str], rng: Random, *, most: int, split: Split) -> Instruction:
    """A random combination of one to `most` constraints that go together (the paper's random combination)."""
    wanted = rng.randint(1, most)
    picked: list[str] = []
    for name in rng.sample(list(names), len(names)):
        if len(picked) < wanted and all(go_together(families, name, other) for other in picked):
            picked.append(name)
    return Instruction(tuple(_drawn(families, name, rng, split) for name in picked))


def only(families: Mapping[str, Family], names: Sequence[str], rng: Random, *, split: Split) -> Instruction:
    """An instruction of exactly the named families."""
    return Instruction(tuple(_drawn(families, name, rng, split) for name in names))


def go_together(families: Mapping[str, Family], one: str, other: str) -> bool:
    a, b = families[one], families[other]
    same_group = bool(a.group) and a.group == b.group
    return not (same_group or other in a.excludes or one in b.excludes)


def _drawn(families: Mapping[str, Family], name: str, rng: Random, split: Split) -> Constraint:
    family = families[name]
    return family.constraint(name, rng.choice(family.split(split)), rng)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", '."', '!"')) else text + "."
