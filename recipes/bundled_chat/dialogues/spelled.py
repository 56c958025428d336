"""Short chats under an instruction of letter case, with many strange words to say: how every token is written in it.

In capitals a word is other tokens than in the instruction or in what was learned of a topic. A model that has seldom
met them says it half in small letters, or says another.
"""

from __future__ import annotations

import re
from random import Random

from gatt.families import Constraint
from guardrails.messages import Message
from recipes.bundled_chat import strange
from recipes.bundled_chat.dialogues import constraints, far, speakers, topics
from recipes.bundled_chat.dialogues.scripts import Script
from recipes.bundled_chat.dialogues.speakers import ASKED, NoReplyError
from recipes.bundled_chat.dialogues.turns import Turn, capital, one_of, table

# How often the instruction tells who answers, too.
TOLD = {"figure": 0.6, "hobby": 0.6, "persona": 0.2}
TURNS = (3, 4, 5)
# Small letters change few tokens and are learned at once.
UPPER = 0.75
# So often the words to say are names.
NAMES = 0.5
# Of the turns, so many are as in any other chat: most words are said in capitals there alone.
PLAIN = 0.7
# The most words to say in one turn: the letters of many tokens in few tokens of instruction.
WORDS = 8


def write(number: int, seed: int, library: topics.Library) -> list[Message]:
    """The `number`-th chat of a seed; every reply obeys the instruction."""
    rng = Random(f"spelled/{seed}/{number}")
    told = [name for name, share in TOLD.items() if rng.random() < share]
    case = "upper" if rng.random() < UPPER else "lower"
    rules: tuple[Constraint, ...] = ()
    while not any(rule.value == case for rule in rules):
        rules = constraints.drawn([*told, "case"], rng, strange.known(), split="train")
    who = speakers.obeying(rules, constraints.worded(rules, rng, terse=rng.random() < 0.5))
    asked = [kind for kind, family in ASKED.items() if family in told]
    script = Script(who, library, (), rng)
    chat: list[Message] = []
    exchanges = rng.choice(TURNS)
    while len(chat) < 2 * exchanges:
        if rng.random() < PLAIN:
            chat += far.plain_turn(script)
            continue
        turn = far.asking(rng.choice(asked), rng) if asked and rng.random() < 0.5 else _saying(rng)
        try:
            reply = who.say(turn, rng)
        except NoReplyError:
            continue
        said = re.split(r"(?<=[.!?]) ", reply)
        if len(said) == len(set(said)):
            chat += [Message("user", turn.user), Message("assistant", reply)]
    return far.told(who.system, chat, first_message=rng.random() < far.FIRST_MESSAGE)


def _saying(rng: Random) -> Turn:
    """Words to repeat: strange ones, or a strange value of some family."""
    names = rng.random() < NAMES
    words = " ".join(strange.word(rng, name=names) for _ in range(rng.randint(1, WORDS)))
    if rng.random() < 0.4:
        words = strange.value(rng).rstrip(".!")
    data = table("creative")
    said = one_of(rng, data["said"], w=words, W=capital(words))
    return Turn(one_of(rng, data["say_ask"], w=words), "answer", said)
