"""What a reward model is trained on and measured with: pairs of replies, and labelled replies or prompts.

JSON lines, plain or compressed by LZMA (`.xz`):

    {"prompt": [["user", "..."], ["assistant", "..."], ["user", "..."]], "chosen": "...", "rejected": "..."}
    {"prompt": "...", "response": "...", "unsafe": 1}        a reply after its prompt
    {"prompt": "...", "harmful": 1}                          a prompt alone
    {"text": "...", "toxic": 1}                              a text alone: a reply to nothing

A prompt is a text or turns; `strength` ("significantly", "better", "slightly", "negligibly") gives a pair its margin.
"""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from guardrails.errors import UserError
from guardrails.judge import Exchange
from guardrails.messages import Message, message, text
from guardrails.reward.loss import MARGINS

T = TypeVar("T", "Pair", "Labelled")


class DataError(UserError):
    """A file that cannot be read; the text names the line."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to one prompt, of which `chosen` is the better."""

    source: str
    chosen: Exchange
    rejected: Exchange
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """A reply, or with an empty reply a prompt, and whether it is safe. `split` is the file's own, if it has any."""

    source: str
    exchange: Exchange
    safe: bool
    split: str = ""


def read(path: Path) -> tuple[list[Pair], list[Labelled]]:
    """The pairs and the labelled examples of a file. Raises DataError naming the line that is neither."""
    pairs: list[Pair] = []
    labelled: list[Labelled] = []
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            one = _example(row, str(row.get("src", path.stem)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} line {number}: it needs prompt with chosen and rejected, response and unsafe, or harmful; "
                "or text and toxic"
            ) from error
        if isinstance(one, Pair):
            pairs.append(one)
        else:
            labelled.append(one)
    return pairs, labelled


def held_out(examples: Iterable[T], share: float) -> tuple[list[T], list[T]]:
    """Those to learn from and about a share of others, by a hash of the prompt: no prompt is on both sides."""
    kept: list[T] = []
    out: list[T] = []
    for one in examples:
        prompt = (one.chosen if isinstance(one, Pair) else one.exchange).prompt
        key = "\n".join(turn.content for turn in prompt) or _reply_of(one)
        (out if zlib.crc32(key.encode()) / 2**32 < share else kept).append(one)
    return kept, out


def _reply_of(one: Pair | Labelled) -> str:
    return one.chosen.reply if isinstance(one, Pair) else one.exchange.reply


def _example(row: dict[str, Any], source: str) -> Pair | Labelled:
    if "chosen" in row:
        prompt = _prompt(row.get("prompt") or ())
        margin = MARGINS[row["strength"]] if "strength" in row else 0.0
        return Pair(source, Exchange(prompt, text(row["chosen"])), Exchange(prompt, text(row["rejected"])), margin)
    if "text" in row:
        return Labelled(source, Exchange((), text(row["text"])), not row["toxic"], row.get("split", ""))
    if "response" in row:
        exchange = Exchange(_prompt(row["prompt"]), text(row["response"]))
        return Labelled(source, exchange, not row["unsafe"], row.get("split", ""))
    return Labelled(source, Exchange(_prompt(row["prompt"]), ""), not row["harmful"], row.get("split", ""))


def _prompt(value: Any) -> tuple[Message, ...]:
    """A text, or turns by role; of two turns in a row by the same, one."""
    turns = [("user", value)] if isinstance(value, str) else value
    messages: list[Message] = []
    for role, content in turns:
        one = message(role, content)
        if messages and messages[-1].role == one.role:
            messages[-1] = Message(one.role, f"{messages[-1].content}\n{one.content}")
        else:
            messages.append(one)
    return tuple(messages)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
