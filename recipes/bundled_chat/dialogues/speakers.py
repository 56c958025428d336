"""Speakers: who answers in one dialogue, and which system message makes them so."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from assistant.personas.persona import Persona
from recipes.bundled_chat.dialogues import constraints
from recipes.bundled_chat.dialogues.constraints import Constraint
from recipes.bundled_chat.dialogues.rules import RULES
from recipes.bundled_chat.dialogues.turns import Turn, capital, one_of, table
from recipes.bundled_chat.dialogues.voices import Voice, shipped, voice

PERSONAS = Path(__file__).parents[3] / "assistant" / "personas" / "shipped"
SYLLABLES = ("ka", "lo", "mi", "ra", "ven", "do", "shi", "ta", "ne", "ru", "bel", "zo", "ar", "el", "gwy", "on", "tis")

# Voices whose own rule leaves the first and last words free, and the rules that may be added to them.
FREE = ("professor", "pirate", "coach", "detective", "gardener", "historian", "stargazer")
ADDED = ("end", "emoji", "start", "lower", "upper")


@dataclass(frozen=True, slots=True)
class Speaker:
    voice: Voice
    name: str
    role: str
    hobby: str
    system: str = ""
    reminder: str = ""
    constraints: tuple[Constraint, ...] = ()

    def say(self, turn: Turn, rng: Random) -> str:
        values = {"name": self.name, "role": self.role, "hobby": self.hobby, "Hobby": capital(self.hobby)}
        bare = any(constraint.kind == "one" for constraint in self.constraints)
        text = self.voice.say(turn, rng, values, bare)
        for constraint in self.constraints:
            text = constraint.apply(text, rng)
        return text

    def obeys(self, text: str) -> bool:
        return RULES[self.voice.key](text) and constraints.obeys(text, self.constraints)


@cache
def persona(key: str) -> Persona:
    return Persona.model_validate(tomllib.loads((PERSONAS / f"{key}.toml").read_text("utf-8")))


@cache
def people(part: str) -> tuple[str, ...]:
    text: str = table("people")[part]
    return tuple(text.split() if part == "names" else [item.strip() for item in text.strip().split(";")])


def name(rng: Random) -> str:
    """A given name, now and then one that nobody bears, so that names are copied and not recalled."""
    if rng.random() < 0.15:
        return "".join(rng.sample(SYLLABLES, rng.choice((2, 2, 3)))).capitalize()
    return rng.choice(people("names"))


def draw(rng: Random) -> Speaker:
    """A shipped persona, an ad-hoc one, or the plain assistant, in the recipe's shares."""
    kind = rng.choices(("shipped", "borrowed", "neutral", "plain"), (55, 12, 23, 10))[0]
    if kind == "shipped":
        return shipped_speaker(rng.choice(shipped()), rng)
    if kind == "borrowed":
        return borrowed(rng.choice(shipped()), rng)
    if kind == "neutral":
        return neutral(rng) if rng.random() < 0.88 else ruled(rng)
    return plain()


def shipped_speaker(key: str, rng: Random) -> Speaker:
    own = persona(key)
    spoken = voice(key)
    system = own.terse if rng.random() < 0.33 else own.instruction
    reminder = own.reminder if rng.random() < 0.15 else ""
    return Speaker(spoken, spoken.name, spoken.role, spoken.hobby, system, reminder)


def borrowed(key: str, rng: Random) -> Speaker:
    """A shipped voice under another name and hobby: the voice must come from the instruction's words."""
    spoken = voice(key)
    bare = rng.random() < 0.25
    # An instruction that names nobody leaves the voice its own name and hobby.
    own_name = spoken.name if bare else name(rng)
    hobby = spoken.hobby if bare else rng.choice(people("hobbies"))
    terse = rng.random() < 0.35
    rule = rng.choice(spoken.rules)
    rule = rule if rule.endswith((".", "!", '!"')) else rule + "."
    extra: tuple[Constraint, ...] = ()
    if key in FREE and rng.random() < 0.3:
        extra = tuple(one for one in constraints.draw(rng) if one.kind in ADDED)
        rule = constraints.joined([rule, *(one.wording(rng, terse) for one in extra)])
    system = _instruction(rng, own_name, spoken.role, hobby, rule, terse)
    if bare:
        system = one_of(rng, table("people")["bare"]["frames"], role=spoken.role, rules=rule)
    return Speaker(spoken, own_name, spoken.role, hobby, system, constraints=extra)


def neutral(rng: Random) -> Speaker:
    own_name, role, hobby = name(rng), rng.choice(people("occupations")), rng.choice(people("hobbies"))
    if rng.random() < 0.12:
        role = "a helpful assistant"
    rules = constraints.draw(rng)
    terse = rng.random() < 0.4
    worded = [rule.wording(rng, terse) for rule in rules]
    rng.shuffle(worded)
    system = _instruction(rng, own_name, role, hobby, constraints.joined(worded), terse)
    return Speaker(voice("neutral"), own_name, role, hobby, system, constraints=rules)


def plain() -> Speaker:
    spoken = voice("assistant")
    return Speaker(spoken, spoken.name, spoken.role, spoken.hobby)


def ruled(rng: Random) -> Speaker:
    """The plain assistant with style rules and nothing else."""
    rules = constraints.draw(rng)
    worded = constraints.joined([rule.wording(rng, rng.random() < 0.3) for rule in rules])
    head = rng.choice(("You are a helpful assistant.", "You are a friendly assistant.", "", "", "Be helpful."))
    system = f"{head} {worded}".strip() or "You are a helpful assistant."
    return replace(plain(), system=system, constraints=rules)


def _instruction(rng: Random, own_name: str, role: str, hobby: str, rules: str, terse: bool) -> str:
    data = table("people")
    manner = rng.choice(data["manners"])
    manner = f"an {manner}" if manner[0] in "aeiou" else f"a {manner}"
    bare = role.split(" ", 1)[1]
    frame = rng.choice(data["terse" if terse else "verbose"]["frames"])
    text = one_of(rng, [frame], name=own_name, role=role, hobby=hobby, rules=rules, manner=manner, bare=bare).strip()
    if not terse and rng.random() < 0.3:
        text += " " + rng.choice(data["honesty"])
    return " ".join(text.split())
