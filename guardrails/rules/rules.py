r"""Deterministic rules: what is matched without asking a model.

A rule has phrases and patterns, which are looked for in every reading of a text (`readings.py`). They are written in
TOML:

    [terms]                                       # pieces of patterns, written {name} there
    make = "(?:make|making|build|building)"

    [[rules]]
    id = "bomb"                                   # small letters, digits, dashes
    category = "iwp"                              # a hazard of MLCommons' AILuminate, or "injection"
    where = "prompt"                              # or "reply", or "both"
    needs = ["bomb", "hand grenade"]              # each entry: words that must all occur; one entry is enough
    patterns = ["how to {make} an? (?:pipe )?bomb"]    # regular expressions (module `regex`) over normalised text
    phrases = ["the anarchist's cookbook"]        # literal text, in any script

In both a space stands for up to six characters that are no letters or digits, or none: "pipe-bomb" and "pipebomb" meet
"pipe bomb". A match begins and ends at the edge of a word. The letters i and l are one, for 1 may be either. Line
breaks in a pattern, with the indentation after them, mean nothing. `needs` is there for speed: patterns are slow, words
are found quickly; parts of words will do. `check = "luhn"` wants the digits of a match to be a possible card number.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails.checks.phrases import UNSPACED
from guardrails.errors import UserError, first_mistake
from guardrails.messages import Message
from guardrails.rules.normalize import normalized
from guardrails.rules.readings import STUCK, readings

SHIPPED = Path(__file__).with_name("rules.toml")
Part = Literal["prompt", "reply"]
Category = Literal["vcr", "ncr", "src", "cse", "ssh", "iwp", "ipv", "dfm", "hte", "prv", "spc", "sxc", "injection"]
Text = Annotated[str, Field(min_length=1)]

# How many of the newest user messages are read as one, and how much of those before the newest.
TURNS = 3
EARLIER_CHARS = 8_000
# Seconds that one pattern may take on one reading; the shipped ones take milliseconds.
TIMEOUT = 0.5

WORD_CHAR = rf"[[^\W_]--[{UNSPACED}]]"
BEFORE, AFTER = rf"(?<!{WORD_CHAR})", rf"(?!{WORD_CHAR})"
GAP = r"[\W_]{0,6}"
TERM = regex.compile(r"(?<!\\[pPN])\{([a-z_]+)\}")
LINE_BREAK = regex.compile(r"\n\s*")
# What a pattern is made of: spaces, the letters i and l, and what must stay as it is although it holds such.
PIECE = regex.compile(
    r"(?P<kept>\\[pPN]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]|\(\?(?:P?<[a-zA-Z]\w*>|P[=>]\w+|[a-zA-Z-]*:?)|\{[\d,]+\})"
    r"|(?P<gap> +)|(?P<il>[il])"
)


class RulesError(UserError):
    """Rules that cannot be used; the text says which and why."""


class Rule(BaseModel):
    """One thing to look for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    category: Category
    where: Literal["prompt", "reply", "both"]
    needs: list[Text] = []
    patterns: list[Text] = []
    phrases: list[Text] = []
    check: Literal["luhn"] | None = None


class RulesFile(BaseModel):
    """What a file of rules holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    terms: dict[str, Text] = {}
    rules: list[Rule] = []


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that a text meets. It never holds the text."""

    rule: str
    category: Category
    part: Part


@dataclass(frozen=True, slots=True)
class Expression:
    """A phrase or pattern of a rule, as a regular expression. `needs` as in the rule, i for l."""

    rule: Rule
    needs: tuple[frozenset[str], ...]
    source: str

    def possible(self, present: set[str]) -> bool:
        """Whether what is needed is present."""
        return not self.needs or (bool(present) and any(entry <= present for entry in self.needs))

    def found(self, reading: str) -> bool:
        """Whether the reading meets it; raises RulesError where that takes too long."""
        pattern = _compiled(self.source, len(reading) >= STUCK and reading.isalnum())
        try:
            if self.rule.check is None:
                return pattern.search(reading, timeout=TIMEOUT) is not None
            return any(luhn(match[0]) for match in pattern.finditer(reading, overlapped=True, timeout=TIMEOUT))
        except TimeoutError:
            raise RulesError(
                f"rule {self.rule.id} took longer than {TIMEOUT} s on a text of {len(reading)} characters: "
                "give it words in `needs`, or a simpler pattern"
            ) from None


class Rules:
    """Compiled rules. `version` tells the files they come from."""

    def __init__(self, expressions: Sequence[Expression], version: str) -> None:
        self.version = version
        self._expressions = {
            part: [one for one in expressions if one.rule.where in (part, "both")] for part in ("prompt", "reply")
        }
        self._needed = {
            part: frozenset(word for one in found for entry in one.needs for word in entry)
            for part, found in self._expressions.items()
        }

    def matches(self, text: str, where: Part) -> list[Match]:
        """The rules for this part of an exchange that any reading of the text meets, each once."""
        found: dict[str, Match] = {}
        for reading in readings(text):
            # Each word once: a text has far fewer different words than words.
            words = " ".join(set(_folded(reading).split()))
            present = {word for word in self._needed[where] if word in words}
            for one in self._expressions[where]:
                if one.rule.id not in found and one.possible(present) and one.found(reading):
                    found[one.rule.id] = Match(one.rule.id, one.rule.category, where)
        return list(found.values())

    def prompt_matches(self, messages: Sequence[Message]) -> list[Match]:
        """The rules that the newest user message meets, by itself or together with up to two before it.

        Messages are read as one both with and without a line end between them, the earlier up to 8,000 characters
        back. What the earlier ones meet without the newest is theirs: one blocked message does not block the next.
        """
        texts = [message.content for message in messages if message.role == "user"][-TURNS:]
        if not texts:
            return []
        found = {match.rule: match for match in self.matches(texts[-1], "prompt")}
        for joint in ("\n", "") if len(texts) > 1 else ():
            earlier = joint.join(texts[:-1])[-EARLIER_CHARS:]
            together = {match.rule: match for match in self.matches(earlier + joint + texts[-1], "prompt")}
            if together.keys() - found.keys():
                old = {match.rule for match in self.matches(earlier, "prompt")}
                found |= {rule: match for rule, match in together.items() if rule not in old}
        return list(found.values())

    def matches_messages(self, messages: Sequence[Message], reply: str = "") -> list[Match]:
        """The rules that the end of a conversation meets (see `prompt_matches`), then those that the reply meets."""
        return self.prompt_matches(messages) + self.matches(reply, "reply")


def load(*paths: Path) -> Rules:
    """The shipped rules and those that these files add. Raises RulesError."""
    digest = hashlib.sha256()
    terms: dict[str, str] = {}
    expressions: list[Expression] = []
    ids: set[str] = set()
    for path in (SHIPPED, *paths):
        data, content = _read(path)
        digest.update(hashlib.sha256(data).digest())
        terms |= content.terms
        for rule in content.rules:
            if rule.id in ids:
                raise RulesError(f"{path}: there are two rules {rule.id!r}: give one another id")
            ids.add(rule.id)
            try:
                expressions += (added := _expressions(rule, terms))
                if path != SHIPPED:  # the shipped ones are tested, and compiled when they are needed
                    for one in added:
                        _compiled(one.source, False)
            except RulesError as error:
                raise RulesError(f"{path}: rule {rule.id}: {error}") from None
    return Rules(expressions, digest.hexdigest()[:12])


def luhn(text: str) -> bool:
    """Whether the digits in the text pass the check that the numbers of payment cards do."""
    digits = [int(char) for char in reversed(text) if char.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return bool(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _read(path: Path) -> tuple[bytes, RulesFile]:
    try:
        data = path.read_bytes()
        return data, RulesFile.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except OSError as error:
        raise RulesError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RulesError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: {error}") from None
    except ValidationError as error:
        raise RulesError(f"{path}: {first_mistake(error, 'file')}") from None


def _expressions(rule: Rule, terms: dict[str, str]) -> list[Expression]:
    if not rule.patterns and not rule.phrases:
        raise RulesError("it needs patterns or phrases")
    needs = tuple(frozenset(_folded(normalized(entry)).split()) for entry in rule.needs)
    found = [Expression(rule, needs, _with_terms(pattern, terms)) for pattern in rule.patterns]
    for phrase in rule.phrases:
        # Large letters of other alphabets may look like other Latin ones than the small do: И like N, и like u.
        cases = (phrase, phrase.lower(), phrase.upper(), phrase.title())
        for written in dict.fromkeys(map(normalized, cases)):
            words = written.split()
            if not words:
                raise RulesError(f"the phrase {phrase!r} has nothing to see in it")
            literal = " ".join(regex.escape(word, literal_spaces=True) for word in words)
            found.append(Expression(rule, (frozenset(map(_folded, words)),), literal))
    return found


def _with_terms(pattern: str, terms: dict[str, str]) -> str:
    for _ in range(len(terms) + 1):
        if not (names := TERM.findall(pattern)):
            return pattern
        if unknown := [name for name in names if name not in terms]:
            raise RulesError(f"the term {unknown[0]!r} is not known: add it to [terms]")
        pattern = TERM.sub(lambda name: terms[name[1]], pattern)
    raise RulesError(f"the terms {', '.join(sorted(set(TERM.findall(pattern))))} name one another")


@functools.cache
def _compiled(source: str, stuck: bool) -> regex.Pattern[str]:
    """Found between the edges of words, or anywhere in words that are `stuck` together."""
    loose = PIECE.sub(lambda piece: piece["kept"] or (GAP if piece["gap"] else "[il]"), LINE_BREAK.sub("", source))
    before, after = ("", "") if stuck else (BEFORE, AFTER)
    try:
        return regex.compile(f"(?V1){before}(?:{loose}){after}")
    except regex.error as error:
        raise RulesError(f"the pattern {source!r} is wrong: {error}") from None


def _folded(text: str) -> str:
    return text.replace("l", "i")
