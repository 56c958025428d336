"""The same rows with other values: what was "Ada Lovelace" in the instruction and the answer becomes "Rosa Parks".

Rows of one dialogue share one value, so a dataset of some hundred dialogues names some hundred values, and a small
model learns those by heart instead of looking the value up. Copies with other values leave looking it up as the only
way. The model has not said these answers, so facts that hang on the value no longer fit: that is the price.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from gatt.families import Entry, Family
from gatt.rows import Row, Turn
from guardrails.checks.check import Check


@dataclass(frozen=True, slots=True)
class Swap:
    """One value of a family, and another to stand in its place."""

    old: str
    new: str
    old_check: Check
    new_check: Check


@dataclass(slots=True)
class Revalued:
    """The copies, and why there is none of some rows."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def revalue(rows: Sequence[Row], families: Mapping[str, Family], *, copies: int, seed: int) -> Revalued:
    """`copies` of each row, each with other training values in place; rows of one dialogue get the same."""
    made = Revalued()
    for copy in range(1, copies + 1):
        for row in rows:
            rng = Random(f"{seed}/{copy}/{row.dialogue_id or row.id}")
            swaps = _swaps(row, families, rng)
            if not swaps:
                made.dropped["the instruction has no value to change"] += 1
                continue
            changed = _with(row, swaps, copy)
            if changed is None:
                made.dropped["the answer does not obey with the other value"] += 1
            elif changed.messages[-1] == row.messages[-1]:
                made.dropped["the answer does not name the value"] += 1
            else:
                made.rows.append(changed)
    return made


def copied(family: Family) -> bool:
    """Whether a reply obeys by saying the value: it stands in the check, and the wordings fit any."""
    return "{x}" in str(family.check.get("value", "")) and not family.entries


def _swaps(row: Row, families: Mapping[str, Family], rng: Random) -> list[Swap]:
    """One for each family of the row whose value the instruction names; none where it changes in mid-dialogue."""
    swaps: list[Swap] = []
    if row.changed_at is not None:
        return swaps
    for name in row.families:
        family = families.get(name)
        if family is None or not copied(family):
            continue
        # Drawn whether used or not, so that rows of one dialogue draw the same.
        new = rng.choice(family.split("train"))
        old = _told(row, name, family)
        if old is not None and old.value.casefold() != new.value.casefold():
            swaps.append(Swap(old.value, new.value, family.check_of(old), family.check_of(new)))
    return swaps


def _told(row: Row, name: str, family: Family) -> Entry | None:
    """The value that the instruction names: the longest that stands there, and that the answer was checked for."""
    told = row.messages[0].content
    folded = told.casefold()
    found = [one for one in family.choices() if one.value.casefold() in folded and _pattern(one.value).search(told)]
    if not family.probes or row.probed == name:
        found = [one for one in found if family.check_of(one) in row.checks]
    return max(found, key=lambda entry: len(entry.value), default=None)


def _with(row: Row, swaps: Sequence[Swap], copy: int) -> Row | None:
    """The row with the swaps made; None where its answer then fails a check, or still has an old value."""
    checks = []
    for check in row.checks:
        swap = next((one for one in swaps if one.old_check == check), None)
        checks.append(swap.new_check if swap else check)
    turns = []
    for position, turn in enumerate(row.messages):
        # What people said is theirs, and what the source answered is not about the value.
        sampled = position == len(row.messages) - 1 or row.history == "constrained"
        ours = position == 0 or (turn.role == "assistant" and sampled)
        turns.append(Turn(role=turn.role, content=_replaced(turn.content, swaps)) if ours else turn)
    answer, asked = turns[-1].content, turns[-2].content
    kept = any(one.old.casefold() not in one.new.casefold() and _pattern(one.old).search(answer) for one in swaps)
    if kept or not all(check.passes(answer, asked) for check in checks):
        return None
    named = {"id": f"{row.id}-v{copy}", "dialogue_id": f"{row.dialogue_id}-v{copy}" if row.dialogue_id else ""}
    return row.model_copy(update={**named, "messages": tuple(turns), "checks": tuple(checks)})


def _replaced(text: str, swaps: Sequence[Swap]) -> str:
    """All values at once, for one may hold another; also the part of a value that its check takes for the whole."""
    pairs: dict[str, tuple[str, str]] = {}
    for swap in swaps:
        parts = zip(swap.old_check.value.split("|"), swap.new_check.value.split("|"), strict=False)
        for old, new in ((swap.old, swap.new), *parts):
            if old.strip() and new.strip():
                pairs.setdefault(old.casefold(), (old, new))
    longest = sorted(pairs, key=len, reverse=True)
    if not longest:
        return text
    anything = re.compile("|".join(_pattern(old).pattern for old in longest), re.IGNORECASE)

    def other(found: re.Match[str]) -> str:
        old, new = pairs[found[0].casefold()]
        return _in_case_of(found[0], old, new, small=text.islower())

    return anything.sub(other, text)


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)


def _in_case_of(found: str, old: str, new: str, *, small: bool) -> str:
    """`new` in the letter case in which `old` was found. "great" is no name's "Great", but in a `small` text."""
    if found == old:
        return new
    if found.isupper():
        return new.upper()
    if found.islower():
        return new.lower() if small else found
    return new[:1].upper() + new[1:]
