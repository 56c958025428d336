"""A verifiable instruction, and whether a reply follows it.

A `Check` is data: it is written into the datasets that Ghost Attention builds, so its JSON form is a file format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from guardrails.checks import counts, phrases
from guardrails.checks.counts import Relation, holds

Kind = Literal[
    "opening",
    "closing",
    "contains",
    "contains_count",
    "avoids",
    "words",
    "lines",
    "lower",
    "upper",
    "capital_words",
    "letter_count",
    "emoji",
    "question",
    "no_comma",
]


class Check(BaseModel):
    """One thing a reply must be or have. What `value`, `count` and `relation` mean depends on the kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    value: str = ""
    count: int = Field(default=0, ge=0)
    relation: Relation = "at least"

    def passes(self, reply: str, prompt: str = "") -> bool:
        """Whether the reply follows the instruction. A blank reply follows none."""
        return bool(reply.strip()) and VERIFIERS[self.kind](self, reply, prompt)


VERIFIERS: dict[Kind, Callable[[Check, str, str], bool]] = {
    "opening": lambda check, reply, _: phrases.opens(reply, check.value),
    "closing": lambda check, reply, _: phrases.closes(reply, check.value),
    "contains": lambda check, reply, _: phrases.contains(reply, check.value),
    "contains_count": lambda check, reply, _: holds(
        phrases.occurrences(reply, check.value), check.relation, check.count
    ),
    "avoids": lambda check, reply, _: not phrases.contains(reply, check.value),
    "words": lambda check, reply, _: holds(counts.words(reply), check.relation, check.count),
    "lines": lambda check, reply, _: holds(counts.lines(reply), check.relation, check.count),
    "lower": lambda check, reply, _: reply.islower(),
    "upper": lambda check, reply, _: reply.isupper(),
    "capital_words": lambda check, reply, _: holds(counts.capital_words(reply), check.relation, check.count),
    "letter_count": lambda check, reply, _: holds(counts.letters(reply, check.value), check.relation, check.count),
    "emoji": lambda check, reply, _: holds(
        counts.emoji(reply, check.value), check.relation, check.count or check.relation == "at least"
    ),
    "question": lambda check, reply, _: phrases.closes(reply, "?"),
    "no_comma": lambda check, reply, _: "," not in reply,
}
