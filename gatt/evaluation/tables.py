"""Outcomes into shares: recall by history, arm, group and turn; survival; tokens spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gatt.evaluation.journal import Record
from guardrails.statistics import Paired, Share

NAME_AND_HOBBY = "name and hobby"
STYLE = "style and format"
ASKED_FOR = "asked for"
HELD_OUT = "held out"
GROUPS = (NAME_AND_HOBBY, STYLE, ASKED_FOR, HELD_OUT)
ALL = "all"
SPENT = ("prompt_tokens", "reminder_tokens", "cached_tokens")


@dataclass(frozen=True, slots=True)
class Cell:
    """Recall of one arm at one turn. `family` is a family's name, or "all" of the group.

    `against` compares with the first arm on the items that both were asked; `apart` is whether the two arms' intervals
    do not touch.
    """

    history: str
    group: str
    family: str
    arm: str
    turn: int
    share: Share
    against: Paired | None
    apart: bool = False


def group_of(family: str, *, held_out: bool, asked: bool) -> str:
    """Where a family counts: held-out ones apart, name and hobby as in the paper, then by whether one has to ask."""
    if held_out:
        return HELD_OUT
    if family in ("figure", "hobby"):
        return NAME_AND_HOBBY
    return ASKED_FOR if asked else STYLE


def cells(probes: Iterable[Record], arms: Sequence[str], asked: Mapping[str, bool]) -> list[Cell]:
    """Recall of every arm at every turn, by family and by group. `asked` tells the families that must be asked for."""
    outcomes: dict[tuple[str, str, str, int], dict[str, dict[tuple[int, str], bool]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for probe in probes:
        family = probe["family"]
        group = group_of(family, held_out=probe["held_out"], asked=asked[family])
        for name in (ALL, family):
            items = outcomes[probe["history"], group, name, probe["turn"]][probe["arm"]]
            items[probe["case"], family] = probe["passed"]
    made = []
    for (history, group, family, turn), by_arm in outcomes.items():
        first = by_arm.get(arms[0], {})
        for arm in arms:
            items = by_arm.get(arm, {})
            if items:
                share = Share(sum(items.values()), len(items))
                paired = None if arm == arms[0] else _paired(first, items)
                apart = bool(first) and share.apart(Share(sum(first.values()), len(first)))
                made.append(Cell(history, group, family, arm, turn, share, paired, apart))
    return sorted(made, key=lambda c: (c.history, GROUPS.index(c.group), c.family, arms.index(c.arm), c.turn))


def _paired(first: Mapping[tuple[int, str], bool], second: Mapping[tuple[int, str], bool]) -> Paired:
    both = first.keys() & second.keys()
    return Paired(sum(first[i] > second[i] for i in both), sum(first[i] < second[i] for i in both))


@dataclass(frozen=True, slots=True)
class Cost:
    """Mean prompt tokens of an arm's requests on one kind of history: `reminder` of them repeat the instruction,
    `cached` of them the engine had computed before.
    """

    history: str
    arm: str
    prompt: float
    reminder: float
    cached: float
    requests: int


def costs(probes: Iterable[Record], arms: Sequence[str]) -> list[Cost]:
    """What each arm spends on a prompt. The reminder's share is exact; whole prompts differ by the replies, too."""
    spent: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for probe in probes:
        spent[probe["history"], probe["arm"]].append(probe)
    order = sorted(spent, key=lambda key: (key[0], arms.index(key[1])))
    made = []
    for history, arm in order:
        records = spent[history, arm]
        prompt, reminder, cached = (sum(one[name] for one in records) / len(records) for name in SPENT)
        made.append(Cost(history, arm, prompt, reminder, cached, len(records)))
    return made
