"""Scripts: which acts follow each other in one dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from gatt.families import joined
from guardrails.messages import Message
from recipes.bundled_chat.dialogues import acts, arithmetic, creative, topics, trivia
from recipes.bundled_chat.dialogues.speakers import ASKED, NoReplyError, Speaker
from recipes.bundled_chat.dialogues.topics import FOLLOW_UPS, FOLLOW_WEIGHTS, Library, Topic
from recipes.bundled_chat.dialogues.turns import Turn, one_of, table

# Stays under the window of 2048 tokens even where capitals and JSON make tokens short.
CHARACTERS = 5400
FIRST = {"greeting": 28, "topic": 32, "identity": 8, "tell": 6, "sum": 6, "beyond": 8, "harm": 8, "talk": 4, "mood": 3,
         "attack": 2, "hobby": 3, "opinion": 1, "order": 8, "trivia": 4}  # fmt: skip
NEXT = {"topic": 26, "identity": 8, "hobby": 9, "talk": 13, "sum": 12, "tell": 4, "recall": 6, "beyond": 13, "harm": 11,
        "attack": 5, "mood": 3, "purpose": 3, "origin": 3, "joke": 2, "thanks": 4, "gibberish": 2, "opinion": 3,
        "compare": 3, "order": 10, "extra": 4, "trivia": 8, "review": 3}  # fmt: skip
FOLLOW = 0.46
HELLOS = ("Hi!", "Hello!", "Hey,", "hi,", "Hello,", "Good morning!", "hello", "Hi there!")
LEADS = ("Thanks.", "Ok.", "ok,", "Great.", "I see.", "Nice!", "Alright,", "Good.", "Hm,", "Thank you.", "Cool.", "And")


@dataclass
class Script:
    """One dialogue in the making."""

    speaker: Speaker
    library: Library
    harmful: Sequence[str]
    rng: Random
    topic: Topic | None = None
    used: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    follows: int = 0
    last: str = ""

    def turn(self, position: int, count: int) -> Turn:
        """The next exchange, the `position`-th of `count`."""
        if position == count - 1 and count > 2 and self.rng.random() < 0.35:
            return self.act(self.rng.choice(("goodbye", "thanks", "goodbye")))
        asked = [kind for kind, family in ASKED.items() if family in self.speaker.families() and kind != self.last]
        if asked and self.rng.random() < 0.3:
            self.topic, self.last = None, self.rng.choice(asked)
            return self.act(self.last)
        if self.last == "harm" and self.rng.random() < 0.15:
            self.last = "press"
            return acts.press(self.rng)
        if position > 5 and self.rng.random() < 0.12:
            # Late in a talk the instruction is far away: ask for what only it can tell.
            self.topic, self.last = (
                None,
                self.rng.choice(("identity", "hobby", "attack", "recall", "identity", "hobby")),
            )
            return self.act(self.last)
        if self.topic and self.follows < 4 and self.rng.random() < FOLLOW:
            self.follows += 1
            about = self.rng.choices(FOLLOW_UPS, FOLLOW_WEIGHTS)[0]
            return topics.ask(self.topic, about, self.rng, self.used, follow=True)
        # A reply's content must be right for what was said just before: no "it" after another act.
        self.topic = None
        weights = NEXT if position else FIRST
        kind = self.last
        while not kind or (kind == self.last and kind != "topic"):
            kind = self.rng.choices(list(weights), list(weights.values()))[0]
        if kind == "recall" and not self.told and self.rng.random() < 0.7:
            kind = "tell"
        self.last = kind
        return self.act(kind)

    def act(self, kind: str) -> Turn:
        rng = self.rng
        match kind:
            case "topic":
                self.topic, self.follows = rng.choice(self.library.topics), 0
                if self.topic.name not in self.names:
                    self.names.append(self.topic.name)
                about = "what" if rng.random() < 0.6 else rng.choices(FOLLOW_UPS, FOLLOW_WEIGHTS)[0]
                return topics.ask(self.topic, about, rng, self.used, follow=False)
            case "compare" if self.library.comparisons:
                return topics.compare(self.library, rng)
            case "talk" | "compare":
                return acts.small_talk(rng.choice(self.library.topics).name, rng)
            case "sum":
                return arithmetic.sum_turn(rng)
            case "beyond":
                return arithmetic.big_sum(rng) if rng.random() < 0.08 else acts.beyond(rng, self.library.covered)
            case "harm":
                return acts.harm(self.speaker, rng, self.harmful)
            case "tell":
                return acts.tell(rng, self.told)
            case "recall":
                return acts.recall(rng, self.told)
            case "opinion":
                return acts.opinion(rng)
            case "order":
                return creative.order(rng, rng.choice(self.library.topics).name)
            case "trivia":
                return trivia.question(rng)
            case "review":
                return trivia.review(rng, self.names)
            case "extra":
                return acts.extra(self.speaker, rng)
        return acts.voiced(kind, self.speaker, rng)


def turns(speaker: Speaker, rng: Random, *, reminded: bool) -> int:
    """How many exchanges a dialogue has.

    One with an instruction has three at most: that an instruction holds for longer is what Ghost Attention is to
    teach. One without, or one in which every message repeats it, may be longer.
    """
    if reminded and rng.random() < 0.4:
        return rng.randint(4, 8)
    if speaker.system:
        return rng.choices((1, 2, 3), (50, 30, 20))[0]
    low, high = rng.choices(((1, 3), (4, 8), (10, 25)), (40, 35, 25))[0]
    return rng.randint(low, high)


def lead_in(turn: Turn, position: int, speaker: Speaker, rng: Random) -> Turn:
    """The turn, now and then with a greeting, with thanks, or with an order to drop the persona before it.

    Such an order changes nothing in the reply: the persona stays and the question is answered.
    """
    draw = rng.random()
    if turn.kind not in ("explain", "answer", "unknown", "identity", "hobby") or draw > 0.15:
        return turn
    if draw < 0.03 and speaker.system:
        order = one_of(rng, table("user")["pressure"], **acts.addressed(speaker))
        return replace(turn, user=f"{order} {turn.user}")
    lead = rng.choice(LEADS if position else HELLOS)
    user = turn.user
    if turn.user.lower().startswith(("hey", "hi", "hello", "ok", "so ", "and", "but")):
        return turn
    if lead[-1] not in ".!" and not user.startswith(("I ", "I'", "DNA")):
        user = user[0].lower() + user[1:]
    return replace(turn, user=f"{lead} {user}")


def write(speaker: Speaker, library: Library, harmful: Sequence[str], rng: Random) -> list[Message]:
    """A whole chat with `speaker`, cut before it grows past the model's window."""
    script = Script(speaker, library, harmful, rng)
    # Where the instruction stands: `_messages`.
    place = rng.random() if speaker.system else 1.0
    reminded = 0.05 <= place < 0.25
    count = turns(speaker, rng, reminded=reminded)
    exchanges: list[tuple[str, str]] = []
    # Capitals take about twice the tokens.
    room = 2400 if any(rule.value == "upper" for rule in speaker.constraints) else CHARACTERS
    room -= len(speaker.system) * (count if reminded else 1)
    for position in range(count):
        turn, reply = answered(script, position, count)
        room -= len(turn.user) + len(reply) + 12
        if room < 0 and exchanges:
            break
        exchanges.append((turn.user, reply))
    return _messages(speaker, exchanges, place)


def answered(script: Script, position: int, count: int) -> tuple[Turn, str]:
    """The next exchange, drawn again until the speaker can answer it within all constraints."""
    while True:
        turn = lead_in(script.turn(position, count), position, script.speaker, script.rng)
        try:
            return turn, script.speaker.say(turn, script.rng)
        except NoReplyError:
            script.topic = None


def _messages(speaker: Speaker, exchanges: list[tuple[str, str]], place: float) -> list[Message]:
    if speaker.reminder:
        user, reply = exchanges[-1]
        exchanges[-1] = (f"{user}\n\n({speaker.reminder})", reply)
    chat = [Message("system", speaker.system)] if speaker.system else []
    if place < 0.35:
        # The instruction joined to user messages: to the first where a tool has no place for a system message, to
        # every one as Ghost Attention samples, to the newest as a reminder.
        first = place < 0.05
        last = place >= 0.25
        chosen = [0] if first else [len(exchanges) - 1] if last else range(len(exchanges))
        for position in chosen:
            user, reply = exchanges[position]
            exchanges[position] = (joined(speaker.system, user), reply)
        chat = chat if last else []
    for user, reply in exchanges:
        chat += [Message("user", user), Message("assistant", reply)]
    return chat
