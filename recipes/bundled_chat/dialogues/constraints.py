"""Style rules that a system message may ask for, and replies that obey them mechanically."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from recipes.bundled_chat.dialogues.turns import capital, one_of, sentences, table

# At most one rule of each group; "one" and "bullets" leave no room for added sentences.
GROUPS = {
    "end": "tail",
    "emoji": "tail",
    "start": "head",
    "title": "word",
    "mention": "word",
    "lower": "case",
    "upper": "case",
    "one": "shape",
    "json": "shape",
    "bullets": "shape",
}
WEIGHTS = {
    "end": 24, "emoji": 6, "start": 16, "title": 16, "mention": 9, "lower": 5, "upper": 4, "one": 10, "json": 4,
    "bullets": 5,
}  # fmt: skip
CROWDED = {"one": {"end", "emoji", "start", "mention"}, "bullets": {"end", "start", "title", "mention", "emoji"}}
ORDER = ("one", "title", "mention", "start", "end", "emoji", "bullets", "lower", "upper", "json")


@dataclass(frozen=True, slots=True)
class Constraint:
    kind: str
    value: str = ""

    def wording(self, rng: Random, terse: bool) -> str:
        """The rule as an instruction, with a full stop."""
        text = one_of(rng, table("constraints")[self.kind]["terse" if terse else "verbose"], x=self.value)
        return text if text.endswith((".", "!", '."', '!"')) else text + "."

    def apply(self, text: str, rng: Random) -> str:
        return APPLY[self.kind](text, self.value, rng)


def _title(text: str, value: str, _: Random) -> str:
    first, *others = sentences(text)
    first = f"{first[:-1]}, {value}{first[-1]}" if first[-1] in ".!?" else f"{first}, {value}."
    return " ".join([first, *others])


def _mention(text: str, value: str, rng: Random) -> str:
    return f"{text} {one_of(rng, table('constraints')['mention']['how'], x=value)}"


def _bullets(text: str, _: str, rng: Random) -> str:
    parts = sentences(text)
    if len(parts) == 1:
        parts.append(rng.choice(table("constraints")["bullets"]["more"]))
    parts = [*parts[:2], " ".join(parts[2:])] if len(parts) > 2 else parts
    return "\n".join(f"- {part}" for part in parts)


APPLY: dict[str, Callable[[str, str, Random], str]] = {
    "one": lambda text, value, rng: sentences(text)[0],
    "title": _title,
    "mention": _mention,
    "start": lambda text, value, rng: f"{value} {text}",
    "end": lambda text, value, rng: f"{text} {value}",
    "emoji": lambda text, value, rng: f"{text} {value}",
    "bullets": _bullets,
    "lower": lambda text, value, rng: text.lower(),
    "upper": lambda text, value, rng: text.upper(),
    "json": lambda text, value, rng: json.dumps({"answer": text}, ensure_ascii=False),
}


def draw(rng: Random) -> tuple[Constraint, ...]:
    """None to three rules that go together, in the order in which they are applied."""
    count = rng.choices((0, 1, 2, 3), (8, 52, 32, 8))[0]
    kinds: set[str] = set()
    for kind in rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=4):
        taken = {GROUPS[other] for other in kinds}
        crowded = any(kind in CROWDED.get(other, ()) or other in CROWDED.get(kind, ()) for other in kinds)
        if len(kinds) < count and GROUPS[kind] not in taken and not crowded:
            kinds.add(kind)
    data = table("constraints")
    chosen = [Constraint(kind, rng.choice(data[kind].get("values", [""]))) for kind in sorted(kinds)]
    return tuple(sorted(chosen, key=lambda constraint: ORDER.index(constraint.kind)))


def obeys(text: str, constraints: tuple[Constraint, ...]) -> bool:
    """Whether `text` keeps all rules."""
    kinds = {constraint.kind for constraint in constraints}
    if "json" in kinds:
        text = json.loads(text)["answer"]
    folded = text.lower()
    checks: dict[str, Callable[[str], bool]] = {
        "one": lambda value: len(sentences(text)) == 1,
        "title": lambda value: value.lower() in folded,
        "mention": lambda value: value.lower() in folded,
        "start": lambda value: folded.startswith(value.lower()),
        "end": lambda value: folded.endswith(value.lower()),
        "emoji": lambda value: text.endswith(value),
        "bullets": lambda value: 2 <= len(text.split("\n")) <= 3 and text.count("\n- ") == text.count("\n"),
        "lower": lambda value: text == folded,
        "upper": lambda value: text == text.upper(),
        "json": lambda value: True,
    }
    return all(checks[constraint.kind](constraint.value) for constraint in constraints)


def joined(rules: list[str]) -> str:
    return " ".join(capital(rule) for rule in rules)
