"""A row of a Ghost Attention dataset: a dialogue whose last answer is to be learned, and how it came to be."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from guardrails.checks.check import Check
from guardrails.messages import Message, Role

Reading = Literal["original", "constrained"]


class Turn(BaseModel):
    """One message, as `datasets` and chat libraries write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    content: str

    @classmethod
    def of(cls, message: Message) -> Turn:
        return cls(role=message.role, content=message.content)


class Row(BaseModel):
    """`messages` begin with the instruction, as a system message, and end with the answer to learn. A row without
    `families` has no instruction (plain rows, context distillation).

    The instruction stands there and nowhere else, unless a newer one rules from turn `changed_at` on: that one
    stands in the user message of this turn. Rows of one `dialogue_id` share the dialogue and the instruction, and
    end at different turns: they are learned or held out together. `history` is where the answers before the last
    came from: the source, or sampled under the instruction (readings A and B of the paper). `checks` are what the
    last answer was verified to pass, and `probed` is the family that the last user message asks for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    dialogue_id: str = ""
    messages: tuple[Turn, ...]
    families: tuple[str, ...]
    checks: tuple[Check, ...]
    terse: bool
    history: Reading
    source: str
    turns: int
    changed_at: int | None = None
    probed: str | None = None

    @model_validator(mode="after")
    def _shape(self) -> Row:
        roles = [turn.role for turn in self.messages]
        # Without families there is no instruction: context distillation trains without the prefix it sampled with.
        lead = ["system"] if self.families else []
        if roles != [*lead, *["user", "assistant"] * self.turns] or not self.turns:
            raise ValueError("messages must be an instruction, then user and assistant by turns, ending with an answer")
        if not self.messages[-1].content.strip():
            raise ValueError("the last answer is empty")
        return self

    def dialogue(self) -> list[Message]:
        return [Message(turn.role, turn.content) for turn in self.messages]
