"""The small world: questions with one answer each, and dialogues about it, with an instruction and without.

Which instructions there are, how they are worded and what obeys them comes from the families of `gatt`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gatt import families
from gatt.families import Constraint, Family, Instruction, joined
from guardrails.messages import Message
from recipes.bundled_chat.dialogues import constraints
from recipes.bundled_chat.dialogues.turns import capital, fill

FILE = Path(__file__).with_name("world.toml")
# Of an instruction's three constraints at most; a dialogue with one has three turns at most.
MOST = 3
DRAFTS = 20

# A user message and the assistant's reply.
Said = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """What is answered to questions about oneself: `told` with a slot {x} for what an instruction says, or `plain`."""

    told: tuple[str, ...]
    plain: str


@dataclass(frozen=True)
class World:
    """`answers` by question; `asks` are the questions about oneself, with the family that each asks for."""

    answers: Mapping[str, str]
    identities: Mapping[str, Identity]
    asks: Mapping[str, str]
    families: Mapping[str, Family]
    names: tuple[str, ...]

    def reply(self, user: str, instruction: Instruction, rng: Random) -> str:
        """What obeys the instruction and answers the user."""
        told = {one.family: one for one in instruction.constraints}
        asked = self.asks.get(user)
        due = [told[asked]] if asked in told else []
        for _ in range(DRAFTS):
            text = self._plain(user, due[0] if due else None, rng)
            for one in instruction.constraints:
                text = constraints.apply(one, text, rng)
            if constraints.obeys(text, instruction.constraints) and all(one.check.passes(text) for one in due):
                return text
        raise ValueError(f"no reply to {user!r} obeys {instruction.text()!r}")

    def _plain(self, user: str, told: Constraint | None, rng: Random) -> str:
        asked = self.asks.get(user)
        if asked is None:
            return self.answers[user]
        identity = self.identities[asked]
        return fill(rng.choice(identity.told), {"x": told.value}) if told else identity.plain

    def instruction(self, rng: Random) -> Instruction:
        """Up to three constraints that go together, in the order of applying; name and hobby each half the time."""
        names: list[str] = [name for name in ("figure", "hobby") if name in self.names and rng.random() < 0.5]
        others = families.draw(self.families, self.names, rng, most=MOST, split="all").constraints
        for one in others:
            fits = all(families.go_together(self.families, one.family, other) for other in names)
            if len(names) < MOST and one.family not in names and fits:
                names.append(one.family)
        order = constraints.ORDER
        names.sort(key=lambda name: order.index(name) if name in order else -1)
        return families.only(self.families, names, rng, split="all")

    def user(self, rng: Random, asking: float, instruction: Instruction | None = None) -> str:
        """What a user says; with the chance `asking` a question about oneself, mostly one the instruction answers."""
        if rng.random() < asking:
            told = [one.family for one in instruction.asked_for()] if instruction else []
            family = rng.choice(told) if told and rng.random() < 0.8 else None
            return rng.choice([user for user, of in self.asks.items() if family in (None, of)])
        return rng.choice(list(self.answers))

    def plain(self, turns: int, rng: Random, asking: float = 0.15) -> list[Said]:
        """A dialogue without an instruction."""
        nothing = Instruction(())
        users = [self.user(rng, asking) for _ in range(turns)]
        return [(user, self.reply(user, nothing, rng)) for user in users]

    def instructed(self, turns: int, rng: Random) -> list[Message]:
        """A dialogue whose replies all obey one instruction.

        It stands in a system message, in the first user message, in all (as Ghost Attention samples), or as a
        reminder also in the newest.
        """
        instruction = self.instruction(rng)
        said = []
        for _ in range(turns):
            user = self.user(rng, 0.6 if instruction.asked_for() else 0.1, instruction)
            said.append((user, self.reply(user, instruction, rng)))
        shuffled = Instruction(tuple(rng.sample(instruction.constraints, len(instruction.constraints))))
        text = shuffled.text(terse=rng.random() < 0.5)
        (place,) = rng.choices(("system", "first", "all", "newest"), (60, 5, 25, 10))
        at = {"system": (), "first": (0,), "all": range(turns), "newest": (turns - 1,)}[place]
        said = [(joined(text, user) if turn in at else user, reply) for turn, (user, reply) in enumerate(said)]
        return messages(said, text if place in ("system", "newest") else "")

    def dialogues(self, count: int, seed: int, longest: int) -> Iterator[list[Message]]:
        """What the baseline learns from: instructions in short dialogues alone, and dialogues of up to `longest`
        turns without one."""
        for number in range(count):
            rng = Random(f"{seed}/{number}")
            if rng.random() < 0.85:
                yield self.instructed(rng.choices((1, 2, 3), (50, 30, 20))[0], rng)
            else:
                low, high = rng.choices(((1, 3), (4, 8), (9, longest)), (40, 35, 25))[0]
                yield messages(self.plain(rng.randint(low, high), rng))


def read(loaded: Mapping[str, Family], names: Sequence[str]) -> World:
    """The world of world.toml, with the families `names` to instruct in."""
    table = tomllib.loads(FILE.read_text("utf-8"))
    answers = dict(table["talk"])
    for frame in table["frames"]:
        for number, item in enumerate(frame["items"]):
            x, y = item.split(" = ")
            values = {"x": x, "X": capital(x), "y": y}
            after = frame["after"][number % len(frame["after"])]
            answers[fill(frame["question"], values)] = f"{fill(frame['answer'], values)} {after}"
    identities = {name: Identity(tuple(one["told"]), one["plain"]) for name, one in table["asked"].items()}
    asks = {user: name for name in identities for user in (*loaded[name].asks, *loaded[name].probes)}
    return World(answers, identities, asks, loaded, tuple(names))


def messages(said: Sequence[Said], system: str = "") -> list[Message]:
    chat = [Message("system", system)] if system else []
    for user, reply in said:
        chat += [Message("user", user), Message("assistant", reply)]
    return chat
