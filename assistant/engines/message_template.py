"""Stands in for tokenizer and chat template where a server takes messages and keeps both to itself.

Its ids are pieces of the messages: four bytes of text as a number, about what a token holds of English. So messages
are counted, fitted into a window and handed to the engine like token ids, and come out as they went in. The counts
are estimates, on the safe side for other languages. A role is an id that no text has: it cannot be typed.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardrails.messages import Message, Role
from guardrails.rendering import Rendered, RenderingError, Span, check_order

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
BYTES = 4


class MessageTemplate:
    """See `assistant.engines.protocol.Template`."""

    control_ids = frozenset(range(len(ROLES)))

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Rendered:
        check_order(messages)
        ids: list[int] = []
        spans: list[Span] = []
        for message in messages:
            ids.append(ROLES.index(message.role))
            start = len(ids)
            ids += self.encode(message.content)
            spans.append(Span(start, len(ids)))
        if add_generation_prompt:
            ids.append(ROLES.index("assistant"))
        return Rendered(ids, spans)

    def encode(self, text: str) -> tuple[int, ...]:
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise RenderingError(
                f"text is not valid Unicode (lone surrogate at character {error.start}): replace it first"
            ) from None
        return tuple(piece_id(data[at : at + BYTES]) for at in range(0, len(data), BYTES))

    def decode(self, ids: Sequence[int]) -> str:
        data = b"".join(f"\n[{ROLES[i]}]\n".encode() if i < len(ROLES) else _piece(i) for i in ids)
        return data.decode(errors="replace").lstrip("\n")

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def messages(self, ids: Sequence[int]) -> list[Message]:
        """The messages that `render` made ids of; the one to be written, if any, is empty."""
        found: list[tuple[Role, list[int]]] = []
        for number in ids:
            if number < len(ROLES):
                found.append((ROLES[number], []))
            elif found:
                found[-1][1].append(number)
        return [Message(role, b"".join(map(_piece, pieces)).decode()) for role, pieces in found]


def piece_id(data: bytes) -> int:
    """A piece of text as a number; the leading 1 keeps zeros and stays above the roles."""
    return int.from_bytes(b"\x01" + data)


def _piece(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)[1:]
