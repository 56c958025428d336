"""Self-play: the engine writes the user's turns too, where there is no source of dialogues.

The roles are swapped for the user's turn: what the assistant said is given as the user's words, and back.
"""

from __future__ import annotations

from dataclasses import replace

from assistant.window import ContextError, fit
from gatt.dataset.plan import Plan
from gatt.dataset.sampling import UNWRITABLE, Candidate, Dropped, Tools, candidates, refusal, sampling_of
from gatt.families import Instruction
from guardrails.messages import Message
from guardrails.rendering import RenderingError

TOPICS = (
    "cooking", "gardens", "the weather", "music", "films", "books", "football", "dogs", "cats", "birds", "the sea",
    "mountains", "the moon", "stars", "trains", "bicycles", "cars", "school", "work", "holidays", "history", "maths",
    "health", "sleep", "painting", "language", "cities", "farms", "games", "computers",
)  # fmt: skip

WRITER = (
    "You are a person who talks with an assistant about {topic}. "
    "Write only what this person says next: one short question or remark."
)
GREETING = "Hello! How can I help you?"


async def written(plans: list[Plan], tools: Tools) -> list[Plan]:
    """The plans of one dialogue, the shortest first, with the turns that the source has or that are written now.

    Raises:
        Dropped, EngineError: as `write`.
    """
    if plans[-1].topic is None:
        return plans
    whole = await write(plans[-1], tools)
    return [
        replace(plan, users=whole.users[: plan.length], answers=(*whole.answers[: plan.length - 1], None))
        for plan in plans
    ]


async def write(plan: Plan, tools: Tools) -> Plan:
    """The plan with `length` user turns about its topic, and plain answers to all but the last.

    Raises:
        Dropped: the engine wrote nothing usable.
        EngineError: it failed.
    """
    writer = WRITER.format(topic=plan.topic)
    users: list[str] = []
    answers: list[str] = []
    for turn in range(1, plan.length + 1):
        heard = [Message("user", text) for text in (GREETING, *answers)]
        said = [Message("assistant", text) for text in users]
        history = list(zip(heard[:-1], said, strict=True))
        users.append(await _next(plan, tools, writer, history, heard[-1], f"user {turn}", users))
        if turn < plan.length:
            asked = [Message("user", text) for text in users]
            replied = [Message("assistant", text) for text in answers]
            history = list(zip(asked[:-1], replied, strict=True))
            answers.append(await _next(plan, tools, "", history, asked[-1], f"answer {turn}", ()))
    return replace(plan, users=tuple(users), answers=(*answers, None))


async def _next(
    plan: Plan,
    tools: Tools,
    instruction: str,
    history: list[tuple[Message, Message]],
    newest: Message,
    what: str,
    spent: tuple[str, ...] | list[str],
) -> str:
    """A usable continuation that is none of those already `spent`."""
    try:
        prompt = fit(tools.engine.template, instruction, history, newest, budget=tools.budget).rendered.ids
    except ContextError:
        raise Dropped("too long for the window") from None
    except RenderingError:
        raise Dropped(UNWRITABLE) from None
    for attempt in range(tools.options.retries + 1):
        sampling = sampling_of(tools.options, plan.sampling_seed(what, attempt))
        session = f"dialogue-{plan.dialogue}-{what.split()[0]}"
        [one] = await candidates(tools.engine, prompt, sampling, 1, session)
        one = Candidate(one.text.strip(), one.finish)
        if refusal(one, Instruction(()), newest.content) is None and one.text not in spent:
            return one.text
    raise Dropped("self-play: the engine wrote no usable turn")
