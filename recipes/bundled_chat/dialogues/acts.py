"""Dialogue acts that need no topic: small talk, memory, refusals, limits and opinions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

from recipes.bundled_chat.dialogues import constraints
from recipes.bundled_chat.dialogues.speakers import ASKED, Speaker, name
from recipes.bundled_chat.dialogues.turns import Turn, one_of, rough, table

INVENTED = re.compile(r"\{(word|person|real)\}")
QUESTION = re.compile(r"(what|who|how|why|when|which|should|can|could|do|does|is|are|would|will)\b", re.IGNORECASE)


def voiced(kind: str, speaker: Speaker, rng: Random) -> Turn:
    """An act whose reply is wholly the voice's."""
    user = one_of(rng, [*table("user")[kind], *asked(kind)], **addressed(speaker), other=name(rng))
    return Turn(user if kind == "gibberish" else rough(user, rng), kind)


def addressed(speaker: Speaker) -> dict[str, str]:
    """What users call the speaker: one without a name or a role is an assistant to them."""
    return {"name": speaker.name or "my assistant", "role": speaker.role or "an assistant"}


@cache
def asked(kind: str) -> tuple[str, ...]:
    """The questions of the instruction family that this act brings out."""
    family = constraints.known().get(ASKED.get(kind, ""))
    return (*family.asks, *family.probes) if family else ()


def small_talk(hint: str, rng: Random) -> Turn:
    row = rng.choice(table("smalltalk")["talk"])
    user = rng.choice(row["user"])
    # "Of course." suits what is asked, comfort suits feelings, and "I see." the rest of what is told.
    asked = user.endswith("?") or QUESTION.match(user)
    kind = "answer" if asked else "talk" if row.get("feeling") else "heard"
    told = [other for other in row["user"] if other != user and other.endswith((".", "!"))]
    if not asked and user.endswith((".", "!")) and told and rng.random() < 0.15:
        user += " " + rng.choice(told)
    return Turn(rough(user, rng), kind, one_of(rng, row["answers"], hint=hint))


def tell(rng: Random, told: dict[str, str]) -> Turn:
    """The user says something about themselves, which `told` keeps."""
    row: dict[str, Any] = rng.choices(table("memory")["slot"], (5, 1, 1, 1, 1, 1))[0]
    value = rng.choice(row["values"]) if row["values"] else name(rng)
    told[row["key"]] = value
    heard = one_of(rng, row["heard"], v=value)
    return Turn(rng.choice((str, _small))(one_of(rng, row["tell"], v=value)), "heard", heard)


def recall(rng: Random, told: dict[str, str]) -> Turn:
    """The user asks for what they told, or seldom for what they never told."""
    rows = table("memory")["slot"]
    known = [row for row in rows if row["key"] in told]
    row = rng.choice(known) if known and rng.random() < 0.9 else rng.choice(rows)
    user = rough(rng.choice(row["ask"]), rng)
    if row["key"] in told:
        return Turn(user, "answer", one_of(rng, row["recall"], v=told[row["key"]]))
    return Turn(user, "heard", rng.choice(row["missing"]))


def _small(text: str) -> str:
    return text.rstrip(".")


def harm(speaker: Speaker, rng: Random, prompts: Sequence[str]) -> Turn:
    """A request that is declined, or a cry for help that is met with care."""
    data = table("refusals")
    draw = rng.random()
    if draw < 0.2:
        return Turn(rough(rng.choice(data["care"]["ask"]), rng), "care", rng.choice(data["care"]["answers"]))
    if prompts and draw < 0.6:
        user = _framed(rng.choice(prompts).strip(), speaker, rng)
        return Turn(user, "refuse", rng.choice(data["general"]["answers"]))
    row = rng.choice(data["harm"])
    user = _framed(one_of(rng, row["ask"], x=rng.choice(row["x"])), speaker, rng)
    return Turn(rough(user, rng), "refuse", rng.choice(row["answers"] + data["general"]["answers"]))


def _framed(ask: str, speaker: Speaker, rng: Random) -> str:
    """The request, now and then wrapped in an excuse or an order to drop all rules."""
    if rng.random() > 0.15:
        return ask
    return one_of(rng, table("refusals")["press"]["frames"], ask=ask, **addressed(speaker))


def press(rng: Random) -> Turn:
    """The user insists after a refusal."""
    data = table("refusals")["press"]
    return Turn(rough(rng.choice(data["ask"]), rng), "refuse", rng.choice(data["answers"]))


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
