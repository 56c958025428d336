"""What the reward model reads of an exchange: as much of the prompt as fits, and never less than the whole reply.

The exchange is rendered by the model's own chat template (`guardrails.rendering`), so nothing that anybody types can
close a turn or open one. What is too long loses its beginning: the oldest of the history first. A reply longer than
the model can read is read in overlapping parts, each behind the end of its prompt, and counts as its worst part.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate

# Of a long reply's parts: how much of the prompt is read with each, and how much of the part before.
CONTEXT = 1 / 4
OVERLAP = 1 / 8


def segments(exchange: Exchange, template: ChatTemplate, length: int) -> list[list[int]]:
    """Token ids of the exchange, at most `length` in each part; one part unless the reply is too long.

    Raises:
        RenderingError: the messages are none that the template renders.
    """
    prompt = _led_by_user(exchange.prompt)
    if not exchange.reply:
        rendered = template.render(prompt, add_generation_prompt=False)
        return [_fitted(rendered.ids, _opening(rendered.spans[0].start, length), length)]
    rendered = template.render([*prompt, Message("assistant", exchange.reply)], add_generation_prompt=False)
    ids, reply = rendered.ids, rendered.spans[-1]
    opening = _opening(rendered.spans[0].start, length)
    before, closing = rendered.spans[-2].end, len(ids) - reply.end
    if len(ids) - before + opening <= length:
        return [_fitted(ids, opening, length)]
    context = round(CONTEXT * length)
    head = [*ids[:opening], *ids[max(opening, reply.start - context) : reply.start]]
    room = length - len(head) - closing
    stretches = cuts(reply.end - reply.start, room, round(OVERLAP * room))
    return [[*head, *ids[reply.start + start : reply.start + end], *ids[reply.end :]] for start, end in stretches]


def cuts(size: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Where to cut `size` tokens into parts of at most `room`, each beginning `overlap` before the last one's end."""
    found = [(0, min(room, size))]
    while found[-1][1] < size:
        start = found[-1][1] - overlap
        found.append((start, min(start + room, size)))
    return found


def _led_by_user(prompt: Sequence[Message]) -> list[Message]:
    """Templates want a user message before a reply; a reply judged alone follows an empty one."""
    messages = list(prompt)
    if not any(message.role == "user" for message in messages):
        messages.append(Message("user", ""))
    return messages


def _opening(first: int, length: int) -> int:
    """How many ids at the very beginning stand whatever is cut: those before the first message, such as [CLS]."""
    return min(first, length // 8)


def _fitted(ids: list[int], opening: int, length: int) -> list[int]:
    """The opening, and as much of the end as fits."""
    return ids if len(ids) <= length else [*ids[:opening], *ids[opening - length :]]
