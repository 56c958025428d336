"""Fitting a conversation into a model's window.

Claims in order: instruction, newest user message, newest whole turns backwards. The instruction and the user's
words are never cut. When turns must go, they go whole and down to a low-water mark, not one a request, so that the
prompt's beginning stays the same for many turns and prefix caches keep hitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.engines.protocol import Template
from assistant.errors import AssistantError
from guardrails.messages import Message
from guardrails.rendering import Rendered

# Share of the budget that remains in use after turns were dropped.
LOW_WATER = 0.7

# A user message and its reply.
Exchanged = tuple[Message, Message]


class ContextError(AssistantError):
    """The instruction and the newest message alone do not fit the model's window."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent: messages, their token ids, and how many of the oldest turns are left out."""

    messages: list[Message]
    rendered: Rendered
    dropped_turns: int


def fit(
    template: Template,
    instruction: str,
    history: Sequence[Exchanged],
    newest: Message,
    *,
    budget: int,
    dropped_turns: int = 0,
) -> Fitted:
    """Choose the turns to send so that the prompt takes at most `budget` tokens.

    `dropped_turns` is how many of the oldest turns the last request of this branch left out: they stay out.

    Raises:
        ContextError: instruction and newest message take more than `budget`.
    """

    def attempt(dropped: int) -> Fitted:
        messages = [Message("system", instruction)] if instruction else []
        for question, reply in history[dropped:]:
            messages += [question, reply]
        messages.append(newest)
        return Fitted(messages, template.render(messages), dropped)

    start = min(dropped_turns, len(history))
    if start and len((everything := attempt(0)).rendered.ids) <= budget * LOW_WATER:
        return everything  # with a larger window there is room for all of it again
    fitted = attempt(start)
    if len(fitted.rendered.ids) <= budget:
        return fitted
    fewest = attempt(len(history))
    if len(fewest.rendered.ids) > budget:
        raise ContextError(_too_large(template, instruction, newest, budget))
    target = max(int(budget * LOW_WATER), len(fewest.rendered.ids))
    low, high = start + 1, len(history)
    while low < high:  # the fewest dropped turns that reach the low-water mark
        middle = (low + high) // 2
        if len(attempt(middle).rendered.ids) <= target:
            high = middle
        else:
            low = middle + 1
    return attempt(low)


def _too_large(template: Template, instruction: str, newest: Message, budget: int) -> str:
    return (
        f"the message takes {template.count(newest.content)} tokens and the instruction "
        f"{template.count(instruction)}, but the model has room for {budget}: "
        "shorten the message, or use a model with a larger window"
    )
