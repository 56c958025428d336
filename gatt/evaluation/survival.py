"""How long an instruction holds without a single lapse, on each arm's own dialogue.

Per-turn recall and survival differ widely: at 95 % a turn, a session of 20 turns survives one time in three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gatt.evaluation.journal import Record
from gatt.evaluation.statistics import Share


@dataclass(frozen=True, slots=True)
class Survival:
    """Of `curve[t - 1].n` dialogues, those without a lapse up to turn t. `conditional[t - 1]`: of those without one
    before turn t, the share that kept to the instruction at turn t. `median` is the turn at which half have lapsed.
    """

    arm: str
    curve: tuple[Share, ...]
    conditional: tuple[Share, ...]

    @property
    def median(self) -> int | None:
        return next((t for t, share in enumerate(self.curve, 1) if share.passed * 2 < share.n), None)


def survivals(replies: Iterable[Record], arms: Sequence[str]) -> list[Survival]:
    """Survival of the constraints that show in every reply; dialogues without any are left out."""
    kept: dict[str, dict[int, dict[int, bool]]] = defaultdict(lambda: defaultdict(dict))
    for reply in replies:
        if reply["kept"]:
            kept[reply["arm"]][reply["case"]][reply["turn"]] = all(reply["kept"].values())
    made = []
    for arm in arms:
        dialogues = [[turns[t] for t in sorted(turns)] for turns in kept[arm].values()]
        if dialogues:
            made.append(of(arm, [first_lapse(dialogue) for dialogue in dialogues], max(map(len, dialogues))))
    return made


def first_lapse(kept: Sequence[bool]) -> int:
    """The turn, from 1, of the first reply that broke the instruction; one past the last where none did."""
    return next((turn for turn, fine in enumerate(kept, 1) if not fine), len(kept) + 1)


def of(arm: str, lapses: Sequence[int], last: int) -> Survival:
    """The curve of dialogues of `last` turns with these first lapses."""
    alive = [sum(lapse > turn for lapse in lapses) for turn in range(last + 1)]
    curve = tuple(Share(alive[turn], len(lapses)) for turn in range(1, last + 1))
    conditional = tuple(Share(alive[turn], alive[turn - 1]) for turn in range(1, last + 1))
    return Survival(arm, curve, conditional)
