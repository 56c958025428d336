"""Speakers: who answers in one dialogue, and which system message makes them so."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from assistant.personas.persona import Persona
from gatt.families import Constraint
from recipes.bundled_chat.dialogues import constraints
from recipes.bundled_chat.dialogues.rules import RULES
from recipes.bundled_chat.dialogues.turns import Turn, capital, one_of, table
from recipes.bundled_chat.dialogues.voices import Voice, shipped, voice

PERSONAS = Path(__file__).parents[3] / "assistant" / "personas" / "shipped"
SYLLABLES = ("ka", "lo", "mi", "ra", "ven", "do", "shi", "ta", "ne", "ru", "bel", "zo", "ar", "el", "gwy", "on", "tis")

# Voices whose own rule leaves the first and last words free, and the rules that may be added to them.
FREE = ("professor", "pirate", "coach", "detective", "gardener", "historian", "stargazer")
ADDED = ("closing", "emoji", "opening", "case")
# Replies that spend little of their length on openers and closers, which these families would cut off or drown.
PLAIN = ("sentence", "length", "haiku", "rhyme")
# What asks for a constraint that shows only when asked for.
ASKED = {"identity": "figure", "hobby": "hobby", "purpose": "persona"}
DRAFTS = 12


class NoReplyError(ValueError):
    """The voice found no reply to this turn that obeys all constraints."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers. `name`, `role` and `hobby` are empty where the instruction tells none."""

    voice: Voice
    name: str
    role: str
    hobby: str
    system: str = ""
    reminder: str = ""
    constraints: tuple[Constraint, ...] = ()

    def say(self, turn: Turn, rng: Random) -> str:
        """A reply that obeys the voice's rule and all constraints.

        Raises:
            NoReplyError: none of a few drafts obeys.
        """
        told = {"name": self.name, "role": self.role, "hobby": self.hobby, "Hobby": capital(self.hobby)}
        values = {key: value for key, value in told.items() if value}
        bare = any(constraint.family in PLAIN for constraint in self.constraints)
        asked = [one for one in self.constraints if one.family == ASKED.get(turn.kind)]
        for _ in range(DRAFTS):
            plain = text = self.voice.say(turn, rng, values, bare)
            for constraint in self.constraints:
                text = constraints.apply(constraint, text, rng, turn.kind)
            if self.obeys(text) and all(one.check.passes(plain) for one in asked):
                return text
        raise NoReplyError(turn.user)

    def families(self) -> set[str]:
        return {one.family for one in self.constraints}

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


def draw(rng: Random, *, firm: bool = False) -> Speaker:
    """A shipped persona, an ad-hoc one, any instruction of the families, or the plain assistant.

    `firm` draws what the second tuning needs: mostly instructions of the families.
    """
    shares = (10, 5, 8, 60, 17) if firm else (27, 11, 14, 28, 20)
    kind = rng.choices(("shipped", "borrowed", "neutral", "instructed", "plain"), shares)[0]
    if kind == "shipped":
        return shipped_speaker(rng.choice(shipped()), rng)
    if kind == "borrowed":
        return borrowed(rng.choice(shipped()), rng)
    if kind == "neutral":
        return neutral(rng)
    if kind == "instructed":
        return instructed(rng, firm=firm)
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
        extra = tuple(one for one in constraints.draw(rng, 2) if one.family in ADDED)
        rule = " ".join([rule, *(one.terse if terse else one.verbose for one in extra)])
    system = _instruction(rng, own_name, spoken.role, hobby, rule, terse)
    if bare:
        system = one_of(rng, table("people")["bare"]["frames"], role=spoken.role, rules=rule)
    return Speaker(spoken, own_name, spoken.role, hobby, system, constraints=extra)


def neutral(rng: Random) -> Speaker:
    own_name, role, hobby = name(rng), rng.choice(people("occupations")), rng.choice(people("hobbies"))
    if rng.random() < 0.12:
        role = "a helpful assistant"
    rules = constraints.draw(rng, 2, tuple(ASKED.values()))
    terse = rng.random() < 0.4
    system = _instruction(rng, own_name, role, hobby, constraints.worded(rules, rng, terse=terse), terse)
    return Speaker(voice("neutral"), own_name, role, hobby, system, constraints=rules)


def instructed(rng: Random, *, firm: bool = False) -> Speaker:
    """Whoever an instruction of the families makes of the plain assistant, in the families' own words."""
    who = [name for name in ASKED.values() if rng.random() < 0.4]
    weights = constraints.FIRM_STYLE if firm else constraints.STYLE
    rules = constraints.drawn(who, rng) + constraints.draw(rng, 1 if who else 3, who, weights)
    if not rules:
        return instructed(rng, firm=firm)
    told = constraints.worded(rules, rng, terse=rng.random() < 0.4)
    head = "You are a helpful assistant. " if not who and rng.random() < 0.3 else ""
    return obeying(rules, head + told)


def obeying(rules: tuple[Constraint, ...], system: str) -> Speaker:
    """The plain assistant under `rules`, or whoever they make of it; `system` is their words."""
    told = {rule.family: rule.value for rule in rules}
    if not told.keys() & set(ASKED.values()):
        return replace(plain(), system=system, constraints=rules)
    own_name, role, hobby = (told.get(family, "") for family in ("figure", "persona", "hobby"))
    return Speaker(voice("neutral"), own_name, role, hobby, system, constraints=rules)


def plain() -> Speaker:
    spoken = voice("assistant")
    return Speaker(spoken, spoken.name, spoken.role, spoken.hobby)


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
