"""What the assistant said before it is asked: against the instruction, in keeping with it, or on its own.

A violating history asks whether a model follows the instruction or copies the replies in front of it; a compliant
one shows how much of its recall is copying. `own`, each arm's own replies, is what a person would meet.
"""

from __future__ import annotations

import zlib
from functools import partial
from random import Random
from typing import Literal

from assistant.sampling import Sampling
from assistant.window import Exchanged
from gatt.errors import GattError
from gatt.evaluation.arms import Arm, exchange
from gatt.evaluation.cases import Case, obeys
from gatt.evaluation.journal import Journal, Record
from gatt.evaluation.material import Material

HistoryKind = Literal["compliant", "violating", "own"]
# How many answers of the source are looked at for one that breaks the constraint.
LOOKED_AT = 400
TEMPERATURE = 0.7


def seed_of(*parts: object) -> int:
    """A sampling seed that depends on what is sampled, not on when."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def violating(case: Case, source: Material, *, turns: int, seed: int) -> list[Exchanged]:
    """`turns` exchanges: the source's own answers, those that happen to obey a style constraint exchanged for others.

    Raises:
        GattError: the source has no answers, or none that breaks the constraint.
    """
    answers = source.answers
    if not answers:
        raise GattError("the source has user turns only, so there is no violating history: leave it out of --history")
    rng = Random(f"{seed}/{case.number}/violating")
    history = []
    for said in case.said[:turns]:
        answer = said.answer
        for _ in range(LOOKED_AT):
            if answer and not any(obeys(one, answer, said.user) for one in case.style()):
                break
            answer = rng.choice(answers)
        else:
            raise GattError(
                f"no answer of the source breaks '{case.style()[0].verbose}': give other dialogues with --source, "
                f"or leave the family '{case.style()[0].family}' out"
            )
        history.append(exchange(said.user, answer))
    return history


async def compliant(
    case: Case, helper: Arm, journal: Journal, *, turns: int, tries: int, max_tokens: int, seed: int
) -> tuple[list[Exchanged], int]:
    """`turns` exchanges, or fewer, whose answers obey every style constraint, and how many user turns were skipped.

    `helper` samples them with the instruction joined to the user message and one exchange as context. A user turn
    whose `tries` answers all break the instruction is skipped.
    """
    history: list[Exchanged] = []
    skipped = 0
    for place, said in enumerate(case.said):
        if len(history) == turns:
            break
        make = partial(_compliant_answer, case, helper, history[-1:], said.user, place, tries, max_tokens, seed)
        answer = (await journal.once(f"compliant/{case.number}/{place}", make))["reply"]
        if answer is None:
            skipped += 1
        else:
            history.append(exchange(said.user, answer))
    return history, skipped


async def _compliant_answer(
    case: Case, helper: Arm, before: list[Exchanged], user: str, place: int, tries: int, max_tokens: int, seed: int
) -> Record:
    prompt = helper.prompt(case.text, before, user, reserve=max_tokens)
    for attempt in range(tries):
        of_this = seed_of(seed, case.number, place, attempt)
        sampling = Sampling(temperature=TEMPERATURE, max_tokens=max_tokens, seed=of_this)
        reply = await helper.reply(prompt, sampling)
        if reply.finish == "stop" and reply.text and all(obeys(one, reply.text, user) for one in case.style()):
            return {"user": user, "reply": reply.text, "tries": attempt + 1}
    return {"user": user, "reply": None, "tries": tries}
