"""Making one row: prompts with the instruction joined to every user message, candidates, and which of them obey.

Llama 2, section 3.3: the instruction is concatenated to all user messages and the latest model samples the answer.
Here k candidates are sampled, programmatic checks refuse those that do not obey, a reward model (where there is one)
ranks the others, and the best is kept; without one it is the first. The stored row has the instruction in front and
nowhere else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from assistant.engines.protocol import Engine, FinishReason
from assistant.sampling import Sampling
from gatt.dataset.plan import Options, Plan, due
from gatt.families import Instruction, joined
from gatt.rows import Row, Turn
from guardrails.messages import Message
from guardrails.rendering import RenderingError

# What a newer instruction begins with, in the user message from which on it rules.
CHANGE_LEAD = "From now on: "
UNWRITABLE = "the tokenizer cannot write it"

Reward = Callable[[list[Message], str], float]


class Dropped(Exception):  # noqa: N818  no error: an outcome, which ends the making of one row
    """The row cannot be made; `reason` is the same for all rows that fail alike, to be counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Candidate(NamedTuple):
    """A sampled reply and why it ended."""

    text: str
    finish: FinishReason


@dataclass(slots=True)
class Tools:
    """What the rows of one dialogue are made with, one after the other, the shortest first.

    `refused` counts refused candidates by reason. `history` holds what was sampled for answers before the last, by
    turn: a reply, or why there is none.
    """

    engine: Engine
    options: Options
    reward: Reward | None = None
    refused: Counter[str] = field(default_factory=Counter)
    history: dict[int, str | Dropped] = field(default_factory=dict)

    @property
    def budget(self) -> int:
        """Most prompt tokens, so that a reply of the longest length still fits the window."""
        return self.engine.window - self.options.max_tokens


async def make(plan: Plan, tools: Tools) -> Row:
    """The row of a plan whose user turns are known.

    Raises:
        Dropped: no candidate obeyed, or the dialogue does not fit the window.
        EngineError: the engine failed; other rows will fare no better.
    """
    users = [*plan.users[:-1], plan.ask] if plan.ask is not None else list(plan.users)
    answers: list[str] = []
    for turn in range(1, len(users)):
        given = plan.answers[turn - 1]
        if plan.history == "original" and given is not None:
            answers.append(given)
            continue
        constrained = plan.history == "constrained"
        if turn not in tools.history:
            instruction = plan.ruling(turn) if constrained else Instruction(())
            context = [*_alternating(users[: turn - 1], answers), Message("user", users[turn - 1])]
            k = tools.options.k if constrained else 1
            try:
                prompt = joined_prompt(plan, context, tools) if constrained else fitted(plan, context, tools)[1]
                tools.history[turn] = await best(prompt, context, users[turn - 1], instruction, plan, turn, k, tools)
            except Dropped as dropped:
                tools.history[turn] = dropped
        sampled = tools.history[turn]
        if isinstance(sampled, Dropped):
            raise Dropped(sampled.reason)
        answers.append(sampled)
    turn = len(users)
    context = [*_alternating(users[:-1], answers), Message("user", users[-1])]
    prompt = joined_prompt(plan, context, tools)
    stored, start = _stored(plan, context, tools)
    target = await best(prompt, stored, users[-1], plan.ruling(turn), plan, turn, tools.options.k, tools)
    if plan.history == "constrained" and plan.ask is None:
        tools.history[turn] = target  # what a longer row of this dialogue would sample again
    ruling = due(plan.ruling(turn), users[-1])
    return Row(
        id=f"{plan.number:07d}",
        dialogue_id=f"{plan.dialogue:07d}",
        messages=tuple(Turn.of(message) for message in (*stored, Message("assistant", target))),
        families=plan.families(),
        checks=tuple(one.check for one in ruling),
        terse=plan.terse,
        history=plan.history,
        source=plan.source,
        turns=turn - start,
        changed_at=plan.change.turn - start if plan.change else None,
        probed=next((one.family for one in ruling if one.probes), None),
    )


def joined_prompt(plan: Plan, context: list[Message], tools: Tools) -> list[int]:
    """The ids to sample from: the instruction that rules stands in every user message."""
    words = []
    for index, message in enumerate(context):
        text = plan.ruling(index // 2 + 1).text() if message.role == "user" else ""
        words.append(replace(message, content=joined(text, message.content)) if text else message)
    return fitted(plan, words, tools)[1]


def fitted(plan: Plan, exchanges: list[Message], tools: Tools, lead: Sequence[Message] = ()) -> tuple[int, list[int]]:
    """How many of the oldest exchanges must go for a reply to fit the window, and the ids without them after `lead`.

    Raises:
        Dropped: even the last user message alone, or with the one that changes the instruction, takes too much room.
    """
    turns = len(exchanges) // 2 + 1
    # The newer instruction needs an older one before it.
    last = min(turns, plan.change.turn - 1) if plan.change else turns
    for start in range(last):
        ids = rendered([*lead, *exchanges[2 * start :]], tools)
        if len(ids) <= tools.budget:
            return start, ids
    raise Dropped("too long for the window")


def rendered(messages: Sequence[Message], tools: Tools) -> list[int]:
    """The ids of a prompt.

    Raises:
        Dropped: such as for a character that a tokenizer without bytes does not have.
    """
    try:
        return tools.engine.template.render(messages).ids
    except RenderingError:
        raise Dropped(UNWRITABLE) from None


async def best(
    prompt: list[int],
    context: list[Message],
    user: str,
    instruction: Instruction,
    plan: Plan,
    turn: int,
    k: int,
    tools: Tools,
) -> str:
    """The best of `k` candidates that obey, sampled anew up to `retries` times where none does.

    `context` is what a reward model sees; `user` the last message in its own words, without any instruction.

    Raises:
        Dropped: with the commonest reason of refusal.
    """
    reasons: Counter[str] = Counter()
    for attempt in range(tools.options.retries + 1):
        sampling = sampling_of(tools.options, plan.sampling_seed(turn, attempt))
        ranked: list[tuple[float, str]] = []
        for candidate in await candidates(tools.engine, prompt, sampling, k, f"dialogue-{plan.dialogue}"):
            reason = refusal(candidate, instruction, user)
            score = 0.0
            if reason is None and tools.reward is not None:
                reason, score = await scored(tools.reward, context, candidate.text)
            if reason is None:
                ranked.append((score, candidate.text))
            else:
                reasons[reason] += 1
        if ranked:
            tools.refused.update(reasons)
            return max(ranked, key=lambda one: one[0])[1]  # of equals the first
    tools.refused.update(reasons)
    raise Dropped(max(sorted(reasons), key=lambda reason: reasons[reason]))


async def candidates(engine: Engine, prompt: list[int], sampling: Sampling, k: int, session: str) -> list[Candidate]:
    """`k` replies to a prompt, in the engine's order. Raises EngineError."""
    texts: dict[int, str] = dict.fromkeys(range(k), "")
    finished: dict[int, FinishReason] = {}
    async with aclosing(engine.generate(prompt, sampling, n=k, session=session)) as stream:
        async for delta in stream:
            texts[delta.candidate] += delta.text
            if delta.finish_reason is not None:
                finished[delta.candidate] = delta.finish_reason
    return [Candidate(texts[index], finished[index]) for index in range(k)]


def sampling_of(options: Options, seed: int) -> Sampling:
    return Sampling(temperature=options.temperature, top_p=options.top_p, max_tokens=options.max_tokens, seed=seed)


def refusal(candidate: Candidate, instruction: Instruction, user: str) -> str | None:
    """Why a candidate is refused; None where it obeys."""
    if not candidate.text.strip():
        return "empty"
    if candidate.finish == "length":
        return "cut off by --max-tokens"
    spoken = candidate.text.casefold()
    # The verbose words alone: terse ones are often just the name that the answer must give.
    if any(one.verbose.casefold() in spoken for one in instruction.constraints):
        return "repeats the instruction"
    for one in due(instruction, user):
        try:
            passed = one.check.passes(candidate.text, user)
        except Exception:  # whatever it is: one verifier's fault must not end the run
            return f"verifier failed: {one.family}"
        if not passed:
            return f"check failed: {one.family}"
    return None


async def scored(reward: Reward, context: list[Message], reply: str) -> tuple[str | None, float]:
    """A reply's reward, or why it has none: a fault of the model must not end the run."""
    try:
        score = await asyncio.to_thread(reward, context, reply)
    except Exception:
        return "the reward model failed", 0.0
    return ("the reward is not a number", 0.0) if score != score else (None, score)


async def distill(plan: Plan, tools: Tools) -> Row:
    """A row of context distillation: answered under a prefix that the stored row does not have.

    Llama 2, section 4.2.4: the prefix (a safety pre-prompt) is joined to adversarial prompts, and the answer is kept
    only where the reward model scores it above the answer without the prefix. Both are the best of k by reward.

    Raises:
        Dropped, EngineError: as `make`.
    """
    prefix, reward = tools.options.distill_prefix, tools.reward
    assert prefix is not None
    assert reward is not None
    users = list(plan.users)
    answers: list[str] = []
    for turn, given in enumerate(plan.answers[:-1], 1):
        if given is None:
            context = [*_alternating(users[: turn - 1], answers), Message("user", users[turn - 1])]
            nothing = Instruction(())
            given = await best(_within(context, tools), context, users[turn - 1], nothing, plan, turn, 1, tools)
        answers.append(given)
    stored = [*_alternating(users[:-1], answers), Message("user", users[-1])]
    prefixed = [replace(m, content=joined(prefix, m.content)) if m.role == "user" else m for m in stored]
    best_of: dict[str, tuple[float, str]] = {}
    for name, messages in (("with", prefixed), ("without", stored)):
        sampling = sampling_of(tools.options, plan.sampling_seed(len(users), name))
        sampled = await candidates(
            tools.engine, _within(messages, tools), sampling, tools.options.k, f"dialogue-{plan.dialogue}-{name}"
        )
        usable: list[tuple[float, str]] = []
        for candidate in sampled:
            score, reason = 0.0, refusal(candidate, Instruction(()), users[-1])
            if reason is None and prefix.casefold() in candidate.text.casefold():
                reason = "repeats the prefix"
            if reason is None:
                reason, score = await scored(reward, stored, candidate.text)
            if reason is None:
                usable.append((score, candidate.text))
            else:
                tools.refused[reason] += 1
        if not usable:
            raise Dropped(f"no usable answer {name} the prefix")
        best_of[name] = max(usable, key=lambda one: one[0])
    if not best_of["with"][0] > best_of["without"][0]:
        raise Dropped("the reward is not better than without the prefix")
    return Row(
        id=f"{plan.number:07d}",
        dialogue_id=f"{plan.dialogue:07d}",
        messages=tuple(Turn.of(message) for message in (*stored, Message("assistant", best_of["with"][1]))),
        families=(),
        checks=(),
        terse=False,
        history="original",
        source=plan.source,
        turns=len(users),
    )


def _within(messages: list[Message], tools: Tools) -> list[int]:
    ids = rendered(messages, tools)
    if len(ids) > tools.budget:
        raise Dropped("too long for the window")
    return ids


def _stored(plan: Plan, context: list[Message], tools: Tools) -> tuple[list[Message], int]:
    """The dialogue as it is stored, without its last answer, and how many of the oldest exchanges it lost.

    The instruction, if any, stands first and user turns are plain, so that more of them fit the window than in
    sampling.
    """
    words = list(context)
    if plan.change:
        newer = CHANGE_LEAD + plan.change.instruction.text(terse=plan.terse)
        at = 2 * (plan.change.turn - 1)
        words[at] = replace(words[at], content=joined(newer, words[at].content))
    text = plan.instruction.text(terse=plan.terse)
    lead = [Message("system", text)] if text else []
    start, _ = fitted(plan, words, tools, lead)
    return [*lead, *words[2 * start :]], start


def _alternating(users: Sequence[str], answers: Sequence[str]) -> list[Message]:
    """Questions and answers by turns, as many of each."""
    messages = []
    for user, answer in zip(users, answers, strict=True):
        messages += [Message("user", user), Message("assistant", answer)]
    return messages
