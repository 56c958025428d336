"""What a conversation is made of, for every package of the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
# By the names that files give them.
ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. `content` is plain text: nothing in it is ever read as markup."""

    role: Role
    content: str


def message(role: Any, content: Any) -> Message:
    """A message of a file, its parts as JSON has them.

    Raises:
        KeyError: no such role.
        TypeError: the content is no text.
    """
    return Message(ROLES[role], text(content))


def text(value: Any) -> str:
    """A text of a file. Half of a surrogate pair, which JSON can spell, is none. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return value.encode("utf-8", "replace").decode()
