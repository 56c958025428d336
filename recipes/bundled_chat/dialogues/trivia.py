"""Everyday knowledge, counting, and what was talked about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random

from recipes.bundled_chat.dialogues.turns import Turn, capital, one_of, rough, table


@cache
def pairs(part: str) -> tuple[tuple[str, str], ...]:
    """A table of "a=b" pairs."""
    items = [item.strip().split("=") for item in table("trivia")[part].strip().split(";")]
    return tuple((a, b) for a, b in items)


def question(rng: Random) -> Turn:
    data = table("trivia")
    kind = rng.choices(("capital", "opposite", "count", "fact"), (30, 20, 8, 42))[0]
    if kind == "fact":
        row = rng.choice(data["fact"])
        return Turn(rough(rng.choice(row["ask"]), rng), "answer", rng.choice(row["answers"]))
    if kind == "count":
        top = rng.randint(3, 10)
        values = {"n": str(top), "list": ", ".join(str(number) for number in range(1, top + 1))}
    elif kind == "capital":
        country, city = rng.choice(pairs("capitals"))
        values = {"c": country, "k": city}
    else:
        a, b = rng.choice(pairs("opposites"))
        values = {"a": a, "b": b, "B": capital(b)}
    user = one_of(rng, data[f"{kind}_ask"], **values)
    return Turn(rough(user, rng), "answer", one_of(rng, data[f"{kind}_answers"], **values))


def review(rng: Random, names: Sequence[str]) -> Turn:
    """The user asks what was talked about: the last topics, in order."""
    data = table("trivia")["review"]
    user = rough(rng.choice(data["ask"]), rng)
    if not names:
        return Turn(user, "heard", rng.choice(data["none"]))
    last = list(names)[-3:]
    text = last[0] if len(last) == 1 else ", ".join(last[:-1]) + " and " + last[-1]
    return Turn(user, "answer", one_of(rng, data["answers"], list=text))
