"""Dialogues whose instruction is far back: plain turns, none of which obeys it, and then replies that do.

Constructed like the dialogues of the second tuning, not sampled: what Ghost Attention's rows show some thousand times
with some thousand values is shown here with any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from gatt import families
from gatt.families import joined
from guardrails.messages import Message
from recipes.bundled_chat import strange
from recipes.bundled_chat.dialogues import constraints, scripts, speakers, topics
from recipes.bundled_chat.dialogues.scripts import Script
from recipes.bundled_chat.dialogues.speakers import ASKED, NoReplyError, Speaker
from recipes.bundled_chat.dialogues.turns import Turn, rough
from recipes.bundled_chat.dialogues.voices import shipped

# How often a dialogue tells who it is, and one more family that shows in every reply.
TOLD = {"figure": 0.75, "hobby": 0.75, "persona": 0.2}
STYLED = 0.65
# Without those that the evaluation holds out; what is weak from far away comes often.
STYLE = {"case": 36, "address": 26, "closing": 24, "length": 20, "rhyme": 10, "opening": 8, "vocabulary": 8, "json": 6,
         "bullets": 6, "format": 6}  # fmt: skip
ORDERED = (*TOLD, *STYLE)
# Of the last turns, so many ask for what only the instruction tells.
ASK = 0.7
# In so many dialogues the turns before obey the instruction.
COMPLIANT = 0.3
# In so many the instruction is joined to the first message, where a tool has no place for a system message.
FIRST_MESSAGE = 0.1
# Turns before the last ones: at most, and most often.
LONGEST, OFTEN = 40, 24
# So many are with a shipped persona.
SHIPPED = 0.15
# Of the messages that are answered under the instruction, so many order something else, which is not heeded.
ORDERS = 0.08


@dataclass(frozen=True, slots=True)
class Far:
    """A chat, and how many of its last replies obey the instruction and are learned."""

    messages: list[Message]
    learned: int


def speaker(rng: Random) -> Speaker:
    """A shipped persona, or whoever an instruction of training values makes of the plain assistant."""
    if rng.random() < SHIPPED:
        return replace(speakers.shipped_speaker(rng.choice(shipped()), rng), reminder="")
    picked = [name for name, share in TOLD.items() if rng.random() < share]
    if rng.random() < STYLED or not picked:
        (style,) = rng.choices(list(STYLE), list(STYLE.values()))
        picked.append(style)
    rules = constraints.drawn(picked, rng, strange.known(), split="train")
    worded = [rule.terse if rng.random() < 0.5 else rule.verbose for rule in rules]
    if rng.random() < 0.8:  # mostly all in one manner
        terse = rng.random() < 0.5
        worded = [rule.terse if terse else rule.verbose for rule in rules]
    rng.shuffle(worded)
    return speakers.obeying(rules, " ".join(worded))


def write(number: int, seed: int, before: Sequence[Sequence[Message]], library: topics.Library) -> Far:
    """The `number`-th dialogue of a seed; its plain turns are those of chats `before`."""
    rng = Random(f"far/{seed}/{number}")
    who = speaker(rng)
    script = Script(who, library, (), rng)
    count = int(rng.triangular(0, LONGEST, OFTEN))
    if rng.random() < COMPLIANT:
        history = [message for _ in range(count) for message in plain_turn(script)]
    else:
        history = []
        while len(history) < 2 * count:
            history += rng.choice(before)
        history = history[-2 * count :] if count else []
    learned = 1 if rng.random() < 0.4 else 2
    last = [message for exchange in _last_turns(script, learned) for message in exchange]
    chat = [*history, *last]
    return Far(told(who.system, chat, first_message=bool(history) and rng.random() < FIRST_MESSAGE), learned)


def told(system: str, chat: Sequence[Message], *, first_message: bool) -> list[Message]:
    """The chat with its instruction: the system message, or joined to the first message."""
    if first_message:
        return [Message("user", joined(system, chat[0].content)), *chat[1:]]
    return [Message("system", system), *chat]


def asking(kind: str, rng: Random) -> Turn:
    """A question for what an instruction alone tells, in the words of training."""
    return Turn(rough(rng.choice(strange.known()[ASKED[kind]].asks), rng), kind)


def _last_turns(script: Script, count: int) -> list[tuple[Message, Message]]:
    """Exchanges, most of which ask for what the instruction alone tells, each for something else."""
    kinds = [kind for kind, family in ASKED.items() if family in script.speaker.families()]
    script.rng.shuffle(kinds)
    made: list[tuple[Message, Message]] = []
    while len(made) < count:
        if not kinds or script.rng.random() > ASK:
            made.append(plain_turn(script))
            continue
        turn = asking(kinds.pop(), script.rng)
        try:
            made.append((Message("user", turn.user), Message("assistant", script.speaker.say(turn, script.rng))))
        except NoReplyError:
            continue
    return [(_ordering(user, script.rng), reply) for user, reply in made]


def _ordering(message: Message, rng: Random) -> Message:
    if rng.random() > ORDERS:
        return message
    order = families.draw(strange.known(), list(ORDERED), rng, most=2, split="train").text(terse=rng.random() < 0.5)
    return Message("user", joined(order, message.content))


def plain_turn(script: Script) -> tuple[Message, Message]:
    """An exchange that does not ask for what an instruction of the families tells."""
    while True:
        turn, reply = scripts.answered(script, 1, 3)
        if not script.speaker.constraints or turn.kind not in (*ASKED, "attack"):
            return Message("user", turn.user), Message("assistant", reply)
