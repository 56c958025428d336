"""A dialogue into token ids and labels: which tokens are learned, proved row by row.

Ghost Attention sets the loss to 0 on every token of the previous turns, their answers included (Llama 2, section
3.3). What is learned is an answer and the one token that stops it. Nothing here trusts a template: the prompt must
have the ids that inference sends, and the learned ids must decode to the answer and its stop token, or the row goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gatt.errors import GattError
from gatt.rows import Row
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate, Rendered, RenderingError

# The label of a token that is read but not learned.
IGNORED = -100


class Loss(Enum):
    """Which answers are learned."""

    LAST_TURN = "last-turn"
    ALL_TURNS = "all-turns"


class MaskError(GattError):
    """The row cannot be trained on. `reason` is short and the same for all rows that fail alike, to be counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a dialogue; `labels` align with `ids` (not shifted) and are IGNORED where nothing is learned.

    Rows of one `dialogue_id` begin alike.
    """

    ids: list[int]
    labels: list[int]
    dropped_exchanges: int
    dialogue_id: str = ""

    @property
    def supervised(self) -> int:
        """How many tokens are learned."""
        return sum(label != IGNORED for label in self.labels)


def encode(row: Row | Sequence[Message], template: ChatTemplate, *, loss: Loss, length: int | None = None) -> Encoded:
    """Token ids and labels of a dialogue that ends with an answer, in at most `length` tokens.

    A dialogue that is too long loses its oldest exchanges, as few as will do, and never the instruction, the last
    user message or any of the last answer. A row whose instruction changes in mid-dialogue is refused rather than
    parted from the turn that holds the newer one.

    Raises:
        MaskError: the row must not be trained on; says why.
    """
    messages = row.dialogue() if isinstance(row, Row) else list(row)
    changed_at = row.changed_at if isinstance(row, Row) else None
    if not messages or messages[-1].role != "assistant":
        raise MaskError("the dialogue does not end with an answer")
    try:
        shortened, dropped = _fitted(messages, template, length)
        if changed_at is not None and dropped >= changed_at:
            raise MaskError("too long: the turn that changes the instruction would be lost")
        rendered = template.render(shortened, add_generation_prompt=False)
        labels = _labels(shortened, rendered, template, loss)
    except RenderingError as error:
        raise MaskError(f"cannot be rendered: {error}") from error
    dialogue_id = row.dialogue_id if isinstance(row, Row) else ""
    encoded = Encoded(rendered.ids, labels, dropped, dialogue_id)
    if not encoded.supervised:
        raise MaskError("no token would be learned")
    return encoded


def _fitted(messages: list[Message], template: ChatTemplate, length: int | None) -> tuple[list[Message], int]:
    """The dialogue less as few of its oldest exchanges as `length` demands, and how many those were."""
    instruction = messages[:1] if messages[0].role == "system" else []
    exchanges = messages[len(instruction) :]

    def without(dropped: int) -> list[Message]:
        return instruction + exchanges[2 * dropped :]

    def fits(dropped: int) -> bool:
        return length is None or len(template.render(without(dropped), add_generation_prompt=False).ids) <= length

    if fits(0):
        return messages, 0
    low, high = 1, len(exchanges) // 2 - 1
    if high < low or not fits(high):
        raise MaskError("too long: the instruction, the last message and the answer alone exceed the length")
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return without(low), low


def _labels(messages: list[Message], rendered: Rendered, template: ChatTemplate, loss: Loss) -> list[int]:
    prompt = template.render(messages[:-1], add_generation_prompt=True)
    last = rendered.spans[-1]
    if rendered.ids[: last.start] != prompt.ids:
        raise MaskError("the training render differs from the prompt that inference sends")
    opening = prompt.ids[prompt.spans[-1].end :]  # from the end of the user's words to where a reply begins
    stop_ids = template.stop_ids
    labels = [IGNORED] * len(rendered.ids)
    for index, (message, span) in enumerate(zip(messages, rendered.spans, strict=True)):
        if message.role != "assistant" or (loss is Loss.LAST_TURN and index != len(messages) - 1):
            continue
        if not message.content.strip():
            raise MaskError("an answer to learn is empty")
        if rendered.ids[span.start - len(opening) : span.start] != opening:
            raise MaskError("an earlier answer does not follow the prompt that inference sends")
        if span.end >= len(rendered.ids) or rendered.ids[span.end] not in stop_ids:
            raise MaskError("no stop token follows the answer directly")
        learned = rendered.ids[span.start : span.end + 1]
        if template.decode(learned) != message.content + template.decode(learned[-1:]):
            raise MaskError("the learned tokens do not decode to the answer and its stop token")
        labels[span.start : span.end + 1] = learned
    return labels
