"""What row number i of a dataset is to be, before anything is sampled: a pure function of the seed and the number.

So a run that was killed and resumed, and a run with another concurrency, make the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gatt.dataset.sources import Dialogue, Source
from gatt.families import Constraint, Family, Instruction, draw, words_of
from gatt.rows import Reading

History = Literal["original", "constrained", "mixed"]
# Of a second instruction, that it be another one than the first.
REDRAWS = 20


class Options(BaseModel):
    """All that decides what the rows are, beside model, source and families.

    `turns` is the least and most number of user turns; `per_dialogue` rows have one dialogue and one instruction,
    and end at different turns: what they share is sampled once, and read once by the trainer. `most` the most
    constraints of an instruction; `ask` the share of the rows with a constraint that only a question brings out in
    which the last user message is such a question; `change` the share in which a second instruction takes over; `plain`
    the share of dialogues without one. `distill_prefix` makes rows of context distillation instead of instructions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int = Field(1000, ge=1)
    k: int = Field(4, ge=1, le=256)
    seed: int = Field(0, ge=0)
    turns: tuple[int, int] = (1, 20)
    per_dialogue: int = Field(1, ge=1)
    families: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    most: int = Field(3, ge=1)
    history: History = "mixed"
    terse: float = Field(0.5, ge=0, le=1)
    ask: float = Field(0.5, ge=0, le=1)
    change: float = Field(0.0, ge=0, le=1)
    plain: float = Field(0.0, ge=0, le=1)
    retries: int = Field(2, ge=0)
    temperature: float = Field(0.9, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    max_tokens: int = Field(256, ge=1)
    distill_prefix: str | None = None

    @model_validator(mode="after")
    def _turns(self) -> Options:
        if not 1 <= self.turns[0] <= self.turns[1]:
            raise ValueError("turns must be LOW-HIGH with 1 <= LOW <= HIGH")
        if self.per_dialogue > 1 + self.turns[1] - self.turns[0]:
            raise ValueError("per dialogue there can be no more rows than numbers of turns: widen --turns")
        if self.per_dialogue > 1 and self.distill_prefix is not None:
            raise ValueError("context distillation makes one row per dialogue")
        return self


@dataclass(frozen=True, slots=True)
class Change:
    """From user turn `turn` on (counted from 1) `instruction` rules."""

    turn: int
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class Plan:
    """Row `number`, of dialogue `dialogue`, to be made.

    `users` and `answers` have one entry a turn; both are empty where the engine is to write `length` turns about
    `topic` first. `ask` takes the place of the last user message.
    """

    number: int
    dialogue: int
    seed: int
    source: str
    length: int
    users: tuple[str, ...]
    answers: tuple[str | None, ...]
    topic: str | None
    chained: bool
    instruction: Instruction
    change: Change | None
    terse: bool
    history: Reading
    ask: str | None

    def ruling(self, turn: int) -> Instruction:
        """The instruction to obey at a turn, counted from 1."""
        return self.change.instruction if self.change and turn >= self.change.turn else self.instruction

    def families(self) -> tuple[str, ...]:
        """Families of both instructions, each once."""
        both = (*self.instruction.constraints, *(self.change.instruction.constraints if self.change else ()))
        return tuple(dict.fromkeys(one.family for one in both))

    def sampling_seed(self, *what: object) -> int:
        """The seed of one request of this dialogue, far from every other: engines count up from it."""
        text = "/".join(str(part) for part in (self.seed, self.dialogue, *what))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 2


def plan(number: int, options: Options, source: Source, families: Mapping[str, Family], names: Sequence[str]) -> Plan:
    """Row `number`, of the families `names`."""
    dialogue, row = divmod(number, options.per_dialogue)
    rng = Random(f"{options.seed}/{dialogue}")
    low, high = options.turns
    lengths = sorted(rng.sample(range(low, high + 1), options.per_dialogue))
    length, longest = lengths[row], lengths[-1]
    parts = [] if source.topics else _parts(dialogue, longest, options.seed, source, rng)
    while parts and sum(len(part.users) for part in parts[:-1]) >= length:
        parts.pop()  # what only the longer rows of this dialogue need
    topic = rng.choice(source.topics) if source.topics else None
    # Every number is drawn whether used or not: what one option changes, the others keep.
    changes, terse_at, reading, plain_at = (rng.random() for _ in range(4))
    uninstructed = options.distill_prefix is not None or plain_at < options.plain
    nothing = Instruction(())
    instruction = nothing if uninstructed else draw(families, names, rng, most=options.most, split="train")
    change = None
    if changes < options.change and longest > 1 and not uninstructed:
        change = _change(rng.randint(2, longest), instruction, families, names, options, rng)
    if change and change.turn > length:
        change = None
    ruling = change.instruction if change else instruction
    asked = ruling.asked_for()
    own = Random(f"{options.seed}/{dialogue}/{row}")
    users = tuple(user for part in parts for user in part.users)[:length]
    # What is asked for is learned in the words of training: a source's own question may be one of the evaluation's.
    probed = bool(users) and any(words_of(users[-1]) in map(words_of, one.probes) for one in asked)
    ask = own.choice(own.choice(asked).asks) if asked and (own.random() < options.ask or probed) else None
    constrained = options.history == "constrained" or (options.history == "mixed" and reading < 0.5)
    return Plan(
        number=number,
        dialogue=dialogue,
        seed=options.seed,
        source=topic if topic is not None else "+".join(part.id for part in parts),
        length=length,
        users=users,
        answers=tuple(answer for part in parts for answer in part.answers)[:length],
        topic=topic,
        chained=len(parts) > 1,
        instruction=instruction,
        change=change,
        terse=terse_at < options.terse and not uninstructed,
        history="constrained" if constrained else "original",
        ask=ask,
    )


def due(instruction: Instruction, user: str) -> list[Constraint]:
    """The constraints that a reply to `user` must show: those of style, and those that `user` asks for.

    A source's own user may ask, too: in the words of a probe, and with other capitals and marks.
    """
    said = words_of(user)
    asked = [one for one in instruction.asked_for() if said in map(words_of, (*one.asks, *one.probes))]
    return [*instruction.shown_in_every_reply(), *asked]


def _parts(number: int, length: int, seed: int, source: Source, rng: Random) -> list[Dialogue]:
    """The source's dialogue of this number, with others after it where it is shorter than `length` turns."""
    size = len(source.dialogues)
    parts = [source.dialogues[_order(seed, number // size, size)[number % size]]]
    while sum(len(part.users) for part in parts) < length:
        parts.append(rng.choice(source.dialogues))
    return parts


@lru_cache(maxsize=8)
def _order(seed: int, round: int, size: int) -> list[int]:
    """The dialogues in another order each round, so that all are used equally often."""
    order = list(range(size))
    Random(f"{seed}/order/{round}").shuffle(order)
    return order


def _change(
    turn: int,
    first: Instruction,
    families: Mapping[str, Family],
    names: Sequence[str],
    options: Options,
    rng: Random,
) -> Change | None:
    """None where the families have nothing else to say."""
    for _ in range(REDRAWS):
        second = draw(families, names, rng, most=options.most, split="train")
        if {(one.family, one.value) for one in second.constraints} != {
            (one.family, one.value) for one in first.constraints
        }:
            return Change(turn, second)
    return None
