"""What a conversation looks like: its branch, with what belongs to each message."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from assistant.personas.persona import Persona
from assistant.store.records import Conversation, Feedback, StoredMessage, Verdict
from assistant.store.store import Store
from guardrails import adherence

# From the best to the worst.
_DECISIONS = ("pass", "flag", "unavailable", "block")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judge's verdicts on a stage of a reply: how many, the lowest score, the longest time, the worst decision."""

    judge: str
    stage: str
    count: int
    score: float | None
    threshold: float | None
    decision: str
    reason: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Said:
    """A message as it is shown. `older` and `newer` are its neighbours among the messages with the same parent."""

    message: StoredMessage
    speaker: str
    place: int
    count: int
    older: int | None
    newer: int | None
    judgements: list[Judgement]
    adherence: float | None
    rating: Feedback | None

    @property
    def mark(self) -> str:
        """The safety mark: the worst decision on the reply, or "none" where nothing was judged."""
        found = [judgement.decision for judgement in self.judgements if judgement.decision in _DECISIONS]
        return max(found, key=_DECISIONS.index) if found else "none"


@dataclass(frozen=True, slots=True)
class Shown:
    """A conversation's active branch, as it is shown."""

    conversation: Conversation
    persona: Persona
    said: list[Said]
    tags: list[str]

    @property
    def turns(self) -> int:
        """How many times the person has spoken on this branch."""
        return sum(said.message.role == "user" for said in self.said)

    @property
    def last_reply(self) -> StoredMessage | None:
        """The newest reply that was asked of a model."""
        replies = [
            said.message for said in self.said if said.message.role == "assistant" and said.message.prompt_tokens
        ]
        return replies[-1] if replies else None

    @property
    def adherence(self) -> list[float]:
        """How well each reply kept to the persona, from 0 to 1, where that was measured."""
        return [said.adherence for said in self.said if said.adherence is not None]


def look(store: Store, conversation: Conversation) -> Shown:
    """Read what is shown of a conversation."""
    now = store.persona_version(conversation.persona_version_id)
    leaf = conversation.active_leaf_id
    branch = [] if leaf is None else store.branch(leaf)
    families: dict[int | None, list[int]] = defaultdict(list)
    for id, parent in store.parents(conversation.id):
        families[parent].append(id)
    verdicts, feedback = store.reviews(conversation.id)
    judged: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        judged[verdict.message_id].append(verdict)
    rated = {given.message_id: given for given in feedback}
    speakers = {now.id: now.persona.title}
    said: list[Said] = []
    for message in branch:
        family = families[message.parent_id]
        place = family.index(message.id)
        version = message.persona_version_id or now.id
        if version not in speakers:
            speakers[version] = store.persona_version(version).persona.title
        said.append(
            Said(
                message,
                "You" if message.role == "user" else speakers[version],
                place + 1,
                len(family),
                family[place - 1] if place else None,
                family[place + 1] if place + 1 < len(family) else None,
                judgements(judged[message.id]),
                _kept(judged[message.id]),
                rated.get(message.id),
            )
        )
    return Shown(conversation, now.persona, said, store.tags(conversation.id))


def judgements(verdicts: list[Verdict]) -> list[Judgement]:
    """The safety judges' verdicts, gathered by judge and stage."""
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.judge != adherence.NAME:
            groups[verdict.judge, verdict.stage].append(verdict)
    return [_gathered(judge, stage, group) for (judge, stage), group in groups.items()]


def _gathered(judge: str, stage: str, group: list[Verdict]) -> Judgement:
    scores = [verdict.score for verdict in group if verdict.score is not None]
    worst = max(group, key=lambda verdict: _rank(verdict.decision))
    return Judgement(
        judge,
        stage,
        len(group),
        min(scores, default=None),
        worst.threshold,
        worst.decision,
        worst.reason,
        max(verdict.latency_ms for verdict in group),
    )


def _rank(decision: str) -> int:
    return _DECISIONS.index(decision) if decision in _DECISIONS else len(_DECISIONS)


def _kept(verdicts: list[Verdict]) -> float | None:
    return next((verdict.score for verdict in reversed(verdicts) if verdict.judge == adherence.NAME), None)
