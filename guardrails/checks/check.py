"""A verifiable instruction, and whether a reply follows it.

A `Check` is data: it is written into the datasets that Ghost Attention builds, so its JSON form is a file format.
The kinds, with what `value` and `count` mean where they mean something (* needs a value, + reads count and relation):

    opening*, closing*          begins with, ends with the value (`phrases.py`)
    contains*, avoids*          holds one of, none of the phrases between bars, as whole words
    contains_count*+            so many of them
    mentions*+                  the value that many times, also inside a word
    constrained_choice*         holds one of the options between bars, letter by letter
    words+ sentences+ lines+ paragraphs+ capital_words+ letter_count*+ emoji+          (`counts.py`)
                                paragraphs: value = what divides them, else blank lines; emoji: value = which
    lower, upper, no_comma, question, quoted                                           (`forms.py`)
    title, placeholders+, highlights+, sections*+, postscript, two_responses
                                sections: value = the word before the number; postscript: value = its marker
    bullets+, numbered+         the whole reply is such a list; bullet_points+ counts its points amid anything
    first_word_of_paragraph*    value = the word, count = the paragraph, from 1
    repeat_prompt               begins with the value, or the prompt where there is none
    json                        value = a key it must have
    language*                   value = ISO 639-1 code (`language.py`)
    rhyme, haiku                count = what is forgiven; rhyme: value = a scheme (`verse.py`)

Where a kind reads `count`, "at least 0" would say nothing and means "at least 1".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from guardrails.checks import counts, forms, language, phrases, verse
from guardrails.checks.counts import Relation, holds

Kind = Literal[
    "opening",
    "closing",
    "contains",
    "contains_count",
    "avoids",
    "mentions",
    "constrained_choice",
    "words",
    "sentences",
    "lines",
    "paragraphs",
    "capital_words",
    "letter_count",
    "emoji",
    "lower",
    "upper",
    "no_comma",
    "question",
    "quoted",
    "title",
    "placeholders",
    "highlights",
    "sections",
    "postscript",
    "two_responses",
    "bullets",
    "bullet_points",
    "numbered",
    "first_word_of_paragraph",
    "repeat_prompt",
    "json",
    "language",
    "rhyme",
    "haiku",
]
NEEDS_VALUE: frozenset[Kind] = frozenset(
    {
        "opening",
        "closing",
        "contains",
        "contains_count",
        "avoids",
        "mentions",
        "constrained_choice",
        "letter_count",
        "sections",
        "first_word_of_paragraph",
        "language",
    }
)


class Check(BaseModel):
    """One thing a reply must be or have. What `value`, `count` and `relation` mean depends on the kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    value: str = ""
    count: int = Field(default=0, ge=0)
    relation: Relation = "at least"

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        """Refuse what no reply could pass, or every reply would."""
        if self.kind in NEEDS_VALUE and not self.value.replace("|", " ").strip():
            raise ValueError(f"{self.kind} needs a value")
        if self.kind == "language" and not language.known(self.value):
            raise ValueError(f"cannot tell the language {self.value!r}; give an ISO 639-1 code such as fr")
        if self.kind == "rhyme" and self.value and not verse.is_scheme(self.value):
            raise ValueError(f"{self.value!r} is no rhyme scheme: give one such as ABAB, every letter at least twice")
        if self.kind == "first_word_of_paragraph" and self.count < 1:
            raise ValueError("first_word_of_paragraph counts paragraphs from 1")
        return self

    def passes(self, reply: str, prompt: str = "") -> bool:
        """Whether the reply follows the instruction. A blank reply follows none; no text makes this raise."""
        reply = reply.replace("\r\n", "\n")
        return bool(reply.strip()) and VERIFIERS[self.kind](self, reply, prompt.replace("\r\n", "\n"))

    def holds(self, found: int) -> bool:
        """Whether there are as many as asked for."""
        return holds(found, self.relation, self.count or int(self.relation == "at least"))


VERIFIERS: dict[Kind, Callable[[Check, str, str], bool]] = {
    "opening": lambda check, reply, _: phrases.opens(reply, check.value),
    "closing": lambda check, reply, _: phrases.closes(reply, check.value, exactly=check.relation == "exactly"),
    "contains": lambda check, reply, _: phrases.contains(reply, check.value),
    "contains_count": lambda check, reply, _: check.holds(phrases.occurrences(reply, check.value)),
    "avoids": lambda check, reply, _: not phrases.contains(reply, check.value),
    "mentions": lambda check, reply, _: check.holds(phrases.mentions(reply, check.value)),
    "constrained_choice": lambda check, reply, _: phrases.chooses(reply, check.value),
    "words": lambda check, reply, _: check.holds(counts.words(reply)),
    "sentences": lambda check, reply, _: check.holds(counts.sentences(reply)),
    "lines": lambda check, reply, _: check.holds(counts.lines(reply)),
    "paragraphs": lambda check, reply, _: check.holds(counts.paragraphs(reply, check.value)),
    "capital_words": lambda check, reply, _: check.holds(counts.capital_words(reply)),
    "letter_count": lambda check, reply, _: check.holds(counts.letters(reply, check.value)),
    "emoji": lambda check, reply, _: check.holds(counts.emoji(reply, check.value)),
    "lower": lambda check, reply, _: forms.lower(reply),
    "upper": lambda check, reply, _: forms.upper(reply),
    "no_comma": lambda check, reply, _: "," not in reply,
    "question": lambda check, reply, _: forms.question(reply),
    "quoted": lambda check, reply, _: forms.quoted(reply),
    "title": lambda check, reply, _: forms.titled(reply),
    "placeholders": lambda check, reply, _: check.holds(forms.placeholders(reply)),
    "highlights": lambda check, reply, _: check.holds(forms.highlights(reply)),
    "sections": lambda check, reply, _: check.holds(forms.sections(reply, check.value)),
    "postscript": lambda check, reply, _: forms.postscript(reply, check.value or "P.S."),
    "two_responses": lambda check, reply, _: forms.two_responses(reply),
    "bullets": lambda check, reply, _: check.holds(forms.bullets(reply)),
    "bullet_points": lambda check, reply, _: check.holds(forms.bullet_points(reply)),
    "numbered": lambda check, reply, _: check.holds(forms.numbered(reply)),
    "first_word_of_paragraph": lambda check, reply, _: phrases.begins_paragraph(reply, check.value, check.count),
    "repeat_prompt": lambda check, reply, prompt: phrases.repeats(reply, check.value or prompt),
    "json": lambda check, reply, _: forms.json_document(reply, check.value),
    "language": lambda check, reply, _: language.speaks(reply, check.value),
    "rhyme": lambda check, reply, _: verse.rhymes(reply, check.value, forgiven=check.count),
    "haiku": lambda check, reply, _: verse.haiku(reply, tolerance=check.count),
}
