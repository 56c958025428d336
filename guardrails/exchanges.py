"""Exchanges to judge, read from lines: JSON, or plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from guardrails.errors import UserError
from guardrails.judge import Exchange
from guardrails.messages import Message, message, text

Part = Literal["prompt", "reply"]


def read(lines: Iterable[str], name: str, plain: Part) -> Iterator[Exchange]:
    """One exchange for each line that is not blank.

        {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
        {"prompt": "...", "reply": "..."}       either may be missing; "response" for "reply" does as well
        any other line                          a prompt or a reply, as `plain` says

    Raises:
        UserError: a JSON object that is none of these, named by its line of `name`.
    """
    for number, line in enumerate(lines, 1):
        said = line.strip("\r\n")
        if not said.strip():
            continue
        try:
            row = json.loads(said)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            yield _exchange(said, "") if plain == "prompt" else _exchange("", said)
            continue
        try:
            yield _of_row(row)
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{name} line {number}: it needs messages, or prompt and reply, as text") from None


def _of_row(row: dict[str, Any]) -> Exchange:
    if "messages" in row:
        messages = [message(one["role"], one["content"]) for one in row["messages"]]
        reply = messages.pop().content if messages and messages[-1].role == "assistant" else ""
        if not messages and not reply:
            raise ValueError
        return Exchange(tuple(messages), reply)
    reply = row.get("reply", row.get("response", ""))
    if not {"prompt", "reply", "response"} & row.keys():
        raise KeyError
    return _exchange(text(row.get("prompt", "")), text(reply))


def _exchange(prompt: str, reply: str) -> Exchange:
    return Exchange((Message("user", prompt),) if prompt else (), reply)
