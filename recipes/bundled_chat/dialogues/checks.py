"""What may be wrong with a generated dialogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from guardrails.messages import Message

# An ellipsis and "?!" are a user's business; in replies they mark parts that were joined badly.
JOINS = re.compile(r"  | [.,;!?](?:\s|$)|\.\.|[!?,;:][.,;:]|\.[,;:!?]|[!?]{2}|\{\w+\}|\s$|^\s|\n\n")
SMALL = re.compile(r"[.!?] [a-z]")
CHARACTERS = 7000


def chat_faults(chat: Sequence[Message]) -> Iterator[str]:
    """Faults of a whole chat: the order of roles, empty messages, length."""
    spoken = chat[1:] if chat[0].role == "system" else chat
    roles = [message.role for message in spoken]
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        yield "roles do not alternate"
    if any(not message.content.strip() for message in chat):
        yield "empty message"
    if sum(len(message.content) for message in chat) > CHARACTERS:
        yield "too long"
    if any(mark in message.content for message in chat for mark in ("<|", "|>")):
        yield "control token"


def text_faults(text: str) -> Iterator[str]:
    """Faults of one reply in plain words: spacing, punctuation, quotes, capital letters."""
    if match := JOINS.search(text):
        yield f"badly joined at {text[max(0, match.start() - 20) : match.end() + 10]!r}"
    if text.count('"') % 2:
        yield "unbalanced quotes"
    if text != text.lower() and (match := SMALL.search(text)):
        yield f"small letter at {text[max(0, match.start() - 20) : match.end() + 10]!r}"
    if not 1 <= len(text.split()) <= 90:
        yield "reply length"
