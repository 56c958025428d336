"""What a conversation is made of, for every package of the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. `content` is plain text: nothing in it is ever read as markup."""

    role: Role
    content: str
