"""ShareGPT conversations, and plain lists of chat messages with `role` and `content`."""

from __future__ import annotations

from typing import Any

from assistant.personas.persona import Persona
from assistant.store.records import Role
from assistant.transfer.draft import Draft, ItemError, instructed, text_of
from assistant.transfer.tree import Node, thread

_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}


def read_turns(item: dict[str, Any], base: Persona) -> Draft:
    """The conversation in an object with `conversations` or `messages`; raises ItemError."""
    turns = item["conversations"] if "conversations" in item else item["messages"]
    nodes: list[Node] = []
    instruction: list[str] = []
    for place, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise ItemError(f"turn {place + 1} is not an object with from and value")
        side = turn.get("from", turn.get("role"))
        text = _text(turn.get("value", turn.get("content")))
        role = _ROLES.get(side) if isinstance(side, str) else None
        if role == "system":
            instruction.append(text)
        # Calls and results of tools mean nothing without the tools.
        elif role is not None:
            nodes.append(Node(str(place), nodes[-1].key if nodes else None, role, text))
    rows, active = thread(nodes, None)
    losses: list[str] = []
    persona = instructed(base, "\n\n".join(part for part in instruction if part.strip()), losses)
    return Draft([persona], rows, active, title=text_of(item.get("title")), losses=losses)


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(text_of(part.get("text")) for part in value if isinstance(part, dict))
    return text_of(value)
