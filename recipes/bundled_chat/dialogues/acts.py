"""Dialogue acts that need no topic: small talk, memory, refusals, limits and opinions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any

from recipes.bundled_chat.dialogues.speakers import Speaker, name
from recipes.bundled_chat.dialogues.turns import Turn, one_of, rough, table

INVENTED = re.compile(r"\{(word|person|real)\}")
QUESTION = re.compile(r"(what|who|how|why|when|which|should|can|could|do|does|is|are|would|will)\b", re.IGNORECASE)


def voiced(kind: str, speaker: Speaker, rng: Random) -> Turn:
    """An act whose reply is wholly the voice's."""
    user = one_of(rng, table("user")[kind], name=speaker.name, role=speaker.role, other=name(rng))
    return Turn(user if kind == "gibberish" else rough(user, rng), kind)


def small_talk(hint: str, rng: Random) -> Turn:
    row = rng.choice(table("smalltalk")["talk"])
    user = rng.choice(row["user"])
    # "I see." suits what is told, and "Of course." what is asked.
    kind = "answer" if user.endswith("?") or QUESTION.match(user) else "talk"
    return Turn(rough(user, rng), kind, one_of(rng, row["answers"], hint=hint))


def tell(rng: Random, told: dict[str, str]) -> Turn:
    """The user says something about themselves, which `told` keeps."""
    row: dict[str, Any] = rng.choices(table("memory")["slot"], (5, 1, 1, 1, 1, 1))[0]
    value = rng.choice(row["values"]) if row["values"] else name(rng)
    told[row["key"]] = value
    heard = one_of(rng, row["heard"], v=value)
    return Turn(rng.choice((str, _small))(one_of(rng, row["tell"], v=value)), "talk", heard)


def recall(rng: Random, told: dict[str, str]) -> Turn:
    """The user asks for what they told, or seldom for what they never told."""
    rows = table("memory")["slot"]
    known = [row for row in rows if row["key"] in told]
    row = rng.choice(known) if known and rng.random() < 0.9 else rng.choice(rows)
    user = rough(rng.choice(row["ask"]), rng)
    if row["key"] in told:
        return Turn(user, "answer", one_of(rng, row["recall"], v=told[row["key"]]))
    return Turn(user, "talk", rng.choice(row["missing"]))


def _small(text: str) -> str:
    return text.rstrip(".")


def harm(rng: Random, prompts: Sequence[str]) -> Turn:
    data = table("refusals")
    draw = rng.random()
    if draw < 0.2:
        return Turn(rough(rng.choice(data["care"]["ask"]), rng), "care", rng.choice(data["care"]["answers"]))
    if prompts and draw < 0.6:
        return Turn(rng.choice(prompts).strip(), "refuse", rng.choice(data["general"]["answers"]))
    row = rng.choice(data["harm"])
    user = rough(one_of(rng, row["ask"], x=rng.choice(row["x"])), rng)
    return Turn(user, "refuse", rng.choice(row["answers"] + data["general"]["answers"]))


def beyond(rng: Random, covered: str) -> Turn:
    """A question that cannot be answered here. `covered` names all topics that can, in lower case."""
    data = table("unknowns")
    words = data["words"]
    row = rng.choices(data["beyond"], [4 if INVENTED.search(row["ask"][0]) else 1 for row in data["beyond"]])[0]
    values = {key: rng.choice(words[key]) for key in ("drug", "language", "city")}
    values["thing"] = rng.choice(row.get("things", [""]))
    values["real"] = rng.choice(
        [item for item in words["real"].strip().split(";") if item.strip().lower() not in covered]
    )
    values["real"] = values["real"].strip()
    values["word"] = "".join(rng.choice(words[part]) for part in ("heads", "middles", "tails"))
    values["person"] = f"{name(rng)} {rng.choice(words['heads']).capitalize()}{rng.choice(words['tails'])}"
    return Turn(rough(one_of(rng, row["ask"], **values), rng), "unknown", one_of(rng, row["answers"], **values))


def extra(speaker: Speaker, rng: Random) -> Turn:
    """A question about this persona's own world."""
    if not speaker.voice.extras:
        return voiced("origin", speaker, rng)
    row = rng.choice(speaker.voice.extras)
    return Turn(rough(rng.choice(row.ask), rng), "extra", rng.choice(row.answers))


def opinion(rng: Random) -> Turn:
    data = table("opinions")
    if rng.random() < 0.5:
        a, b = rng.sample(rng.choice(data["pairs"]), 2)
        user = one_of(rng, data["ask_pair"], a=a, b=b)
        return Turn(rough(user, rng), "answer", one_of(rng, data["answer_pair"], pick=rng.choice((a, b))))
    row = rng.choice(data["opinion"])
    return Turn(rough(rng.choice(row["ask"]), rng), "answer", rng.choice(row["answers"]))
