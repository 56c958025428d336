"""The cases of an evaluation: a dialogue, the instruction that rules it, and what is asked at each measured turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from gatt.errors import GattError
from gatt.evaluation.material import Material, Said
from gatt.families import Constraint, Family, Instruction, Split, go_together, only, words_of

# What every case is told; the other families take turns.
ALWAYS = ("figure", "hobby")
# Spare user turns of a case, for those to which no compliant answer is found.
SPARE = 2


@dataclass(frozen=True, slots=True)
class Probe:
    """A question asked on a branch of the dialogue, and what its reply is checked for."""

    constraint: Constraint
    question: str
    held_out: bool

    def passed(self, reply: str) -> bool:
        """Whether the reply obeys. Raises GattError for a check that throws."""
        return obeys(self.constraint, reply, self.question)


@dataclass(frozen=True, slots=True)
class Case:
    """What all arms get alike. `said` is the dialogue's user turns with the source's answers, more than needed.

    `probes` are by measured turn, counted from 1.
    """

    number: int
    instruction: Instruction
    text: str
    terse: bool
    said: tuple[Said, ...]
    probes: Mapping[int, tuple[Probe, ...]]

    def style(self) -> list[Constraint]:
        """What shows in every reply."""
        return self.instruction.shown_in_every_reply()


def obeys(constraint: Constraint, reply: str, question: str) -> bool:
    """Whether a reply keeps the constraint; an empty reply never does. Raises GattError for a check that throws."""
    try:
        return bool(reply) and constraint.check.passes(reply, question)
    except Exception as error:  # a check of someone's own families file may do anything
        raise GattError(
            f"the check of family '{constraint.family}' failed on the reply {reply[:60]!r}: "
            f"{type(error).__name__}: {error}; mend it in the families file, and name another --json"
        ) from error


def draw_cases(
    families: Mapping[str, Family],
    names: Sequence[str],
    held_out: Sequence[str],
    source: Material,
    *,
    turns: Sequence[int],
    n: int,
    seed: int,
    values: Split = "test",
) -> list[Case]:
    """`n` cases: each is told a figure, a hobby (where chosen), and one other family, these in rotation.

    Values are those kept for evaluation unless `values` names others. A case depends on its number, the seed and these
    alone, so more cases do not change the first ones.

    Raises:
        GattError: the source has fewer user turns than the last measured turn needs.
    """
    # A question about the instruction in the dialogue itself would remind the model of it.
    questions = {words_of(text) for family in families.values() for text in (*family.asks, *family.probes)}
    source = source.without(lambda said: words_of(said.user) in questions)
    if source.turns < max(turns):
        raise GattError(
            f"the source has {source.turns} user turns that can be used, but turn {max(turns)} needs as many: "
            "give more dialogues with --source, or smaller --turns"
        )
    always = [name for name in ALWAYS if name in names]
    others = [name for name in names if name not in ALWAYS]
    openers = source.openers
    cases = []
    for number in range(n):
        rng = Random(f"{seed}/{number}")
        other = others[number % len(others) : number % len(others) + 1] if others else []
        told = [name for name in always if all(go_together(families, name, one) for one in other)] + other
        instruction = only(families, rng.sample(told, len(told)), rng, split=values)
        terse = rng.random() < 0.5
        said = tuple(islice(source.chain(rng), SPARE * max(turns)))
        known = {one.user for one in said}
        fresh = [opener for opener in openers if opener not in known] or openers
        probes = {turn: tuple(_probes(instruction, held_out, fresh, rng)) for turn in sorted(turns)}
        cases.append(Case(number, instruction, instruction.text(terse=terse), terse, said, probes))
    return cases


def _probes(instruction: Instruction, held_out: Sequence[str], openers: Sequence[str], rng: Random) -> list[Probe]:
    return [
        Probe(one, rng.choice(one.probes or openers), one.family in held_out)
        for one in sorted(instruction.constraints, key=lambda one: one.family)
    ]
