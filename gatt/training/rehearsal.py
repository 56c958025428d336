"""Dialogues learned beside the rows, all their answers, so that tuning takes nothing away.

A model tuned on one thing forgets others. Llama 2 has its rows among the rest of the fine-tuning data; whoever has
only the finished model can at least rehearse what it should still do.
"""

from __future__ import annotations

import json
from pathlib import Path

from gatt.errors import GattError
from gatt.training.masks import Encoded, Loss, MaskError, encode
from guardrails.messages import message
from guardrails.rendering import ChatTemplate


def read(file: Path, template: ChatTemplate, length: int) -> tuple[list[Encoded], dict[str, int]]:
    """The dialogues of a JSONL file in OpenAI's format, encoded, and how many were left out by reason.

    Raises:
        GattError: the file cannot be read, a line is no dialogue, or no dialogue is left.
    """
    found: list[Encoded] = []
    dropped: dict[str, int] = {}
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise GattError(f"--rehearse {file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            messages = [message(one["role"], one["content"]) for one in json.loads(line)["messages"]]
        except (ValueError, KeyError, TypeError) as error:
            form = '{"messages": [{"role": ..., "content": ...}]}'
            raise GattError(f"--rehearse {file}:{number} is no dialogue: it needs {form}") from error
        while messages and messages[-1].role == "user":
            messages.pop()  # a question that nobody answered
        try:
            found.append(encode(messages, template, loss=Loss.ALL_TURNS, length=length))
        except MaskError as error:
            dropped[error.reason] = dropped.get(error.reason, 0) + 1
    if not found:
        raise GattError(f"--rehearse {file} has no dialogue that can be learned: {dropped or 'it is empty'}")
    return found, dropped
