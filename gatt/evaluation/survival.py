"""How long an instruction holds without a single lapse, on each arm's own dialogue.

Recall by turn and survival differ widely: at 95 % a turn, a session of 20 turns survives one time in three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gatt.evaluation.journal import Record
from gatt.evaluation.tables import GROUPS, group_of
from guardrails.statistics import Share


@dataclass(frozen=True, slots=True)
class Survival:
    """`curve[i]`: of all dialogues, those without a lapse up to and at `turns[i]`. `conditional[i]`: of those without
    one before `turns[i]`, those that kept to the instruction there.
    """

    arm: str
    group: str
    turns: tuple[int, ...]
    curve: tuple[Share, ...]
    conditional: tuple[Share, ...]

    @property
    def half_lapsed(self) -> int | None:
        """The first turn by which more than half of the dialogues have lapsed."""
        return next((t for t, share in zip(self.turns, self.curve, strict=True) if share.passed * 2 < share.n), None)


def survivals(
    lived: Iterable[Record],
    probes: Iterable[Record],
    arms: Sequence[str],
    asked: Mapping[str, bool],
    held_out: Sequence[str],
) -> list[Survival]:
    """Survival by arm and group of families: of style over every reply, of what is asked for over the measured turns.

    `asked` tells the families that must be asked for.
    """
    kept: dict[tuple[str, str], dict[int, dict[int, bool]]] = defaultdict(lambda: defaultdict(dict))

    def note(record: Record, family: str, passed: bool) -> None:
        group = group_of(family, held_out=family in held_out, asked=asked[family])
        turns = kept[group, record["arm"]][record["case"]]
        turns[record["turn"]] = turns.get(record["turn"], True) and passed

    for reply in lived:
        for family, passed in reply["kept"].items():
            note(reply, family, passed)
    for probe in probes:
        if probe["history"] == "own" and asked[probe["family"]]:
            note(probe, probe["family"], probe["passed"])
    order = sorted(kept, key=lambda key: (GROUPS.index(key[0]), arms.index(key[1])))
    return [of(arm, group, list(kept[group, arm].values())) for group, arm in order]


def of(arm: str, group: str, dialogues: Sequence[Mapping[int, bool]]) -> Survival:
    """The curve of dialogues, each of which kept to the instruction or not at its turns.

    Held-out families may be of both kinds: then the curve has the turns that all dialogues have.
    """
    turns = sorted(set.intersection(*map(set, dialogues)))
    lapses = [min((turn for turn, held in kept.items() if not held), default=turns[-1] + 1) for kept in dialogues]
    curve = tuple(Share(sum(lapse > turn for lapse in lapses), len(lapses)) for turn in turns)
    before = (len(lapses), *(share.passed for share in curve))
    conditional = tuple(Share(share.passed, n) for share, n in zip(curve, before, strict=False))
    return Survival(arm, group, tuple(turns), curve, conditional)
