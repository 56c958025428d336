"""Small creative orders: stories, rhymes, names, notes and words to repeat."""

from __future__ import annotations

from random import Random

from recipes.bundled_chat.dialogues.speakers import name
from recipes.bundled_chat.dialogues.turns import Turn, capital, one_of, rough, table
from recipes.bundled_chat.values import saying


def order(rng: Random, topic: str) -> Turn:
    """A creative order and the piece. Rhymes are about `topic` or an everyday thing."""
    data = table("creative")
    kind = rng.choices(("story", "poem", "name", "note", "say"), (20, 15, 8, 8, 49))[0]
    who = rng.choice(data["who"])
    person, you = rng.choice(data["persons"])
    word = rng.choice(data["sayings"]) if rng.random() < 0.2 else saying(rng).rstrip(".!")
    values = {
        "who": who,
        "Who": capital(who),
        "place": rng.choice(data["places"]),
        "x": topic if rng.random() < 0.4 else rng.choice(data["things"]),
        "n": name(rng),
        "m": name(rng),
        "p": person,
        "p_you": you,
        "w": word,
        "W": capital(word),
    }
    pieces = {"story": "stories", "poem": "poems", "name": "names", "note": "notes", "say": "said"}[kind]
    user = one_of(rng, data[f"{kind}_ask"], **values)
    # What is to be repeated is repeated as it was typed.
    return Turn(user if kind == "say" else rough(user, rng), "answer", one_of(rng, data[pieces], **values))
