"""What the reward model reads of an exchange: as much of the prompt as fits, and never less than the whole reply.

The exchange is rendered by the model's own chat template (`guardrails.rendering`), so nothing that anybody types can
close a turn or open one. What is too long loses its beginning: the oldest of the history first. A reply that leaves
too little room for its prompt is read in overlapping parts, each behind the end of its prompt, and counts as its worst
part.

A prompt is judged by its end in the same way, and the newest message, if it is long, in overlapping stretches of its
own besides: what is asked at its beginning, or between harmless text, would else be cut off or drowned.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate

# Of what the model reads at once, how much of the prompt is read with a reply, if there is so much of it.
CONTEXT = 1 / 4
# Of a long reply's part, how much is of the part before.
OVERLAP = 1 / 8
# Of what the model reads at once, how much is a stretch of a long message: among twice as much harmless text the
# bundled model no longer sees a short request for harm (docs/guardrails.md). And how much is of the stretch before,
# more than a request is long.
STRETCH = 1 / 2
STRETCH_OVERLAP = 1 / 4


def segments(exchange: Exchange, template: ChatTemplate, length: int) -> list[list[int]]:
    """Token ids of the exchange, at most `length` in each part; one part unless the reply or the prompt is long.

    The last part has the end of the exchange.

    Raises:
        RenderingError: the messages are none that the template renders.
    """
    prompt = _led_by_user(exchange.prompt)
    if not exchange.reply:
        rendered = template.render(prompt, add_generation_prompt=False)
        whole = _fitted(rendered.ids, _opening(rendered.spans[0].start, length), length)
        newest = next(message for message in reversed(prompt) if message.role == "user")
        return [*_stretches(newest, template, length), whole]
    rendered = template.render([*prompt, Message("assistant", exchange.reply)], add_generation_prompt=False)
    ids, reply = rendered.ids, rendered.spans[-1]
    opening = _opening(rendered.spans[0].start, length)
    context = round(CONTEXT * length)
    head = [*ids[:opening], *ids[max(opening, reply.start - context) : reply.start]]
    # A reply that left its prompt less than this would be judged without knowing what it answers.
    if len(head) + len(ids) - reply.start <= length:
        return [_fitted(ids, opening, length)]
    room = length - len(head) - (len(ids) - reply.end)
    parts = cuts(reply.end - reply.start, room, round(OVERLAP * room))
    return [[*head, *ids[reply.start + start : reply.start + end], *ids[reply.end :]] for start, end in parts]


def _stretches(message: Message, template: ChatTemplate, length: int) -> list[list[int]]:
    """All of a long message, piece by piece, each as if it were the whole prompt; of a short one nothing."""
    rendered = template.render([message], add_generation_prompt=False)
    ids, text = rendered.ids, rendered.spans[0]
    most = round(STRETCH * length)
    if len(ids) <= most:
        return []
    opening = ids[: _opening(text.start, length)]
    room = most - len(opening) - (len(ids) - text.end)
    parts = cuts(text.end - text.start, room, round(STRETCH_OVERLAP * room))
    return [[*opening, *ids[text.start + start : text.start + end], *ids[text.end :]] for start, end in parts]


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
