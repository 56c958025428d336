"""Plain lists of prompts, as public test sets have them: CSV with a column, JSON lines with a field, or text."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import DataError, Labelled

# Looked for in this order where no column is named.
COLUMNS = ("prompt", "goal", "Behavior", "prompts_final", "question", "instruction", "turns", "text", "messages")


def read_prompts(named: str, *, safe: bool) -> list[Labelled]:
    """Prompts of `FILE` or `FILE:COLUMN`, each once. Of a list of turns the first counts.

    Raises:
        DataError: no such file, or no such column.
    """
    path, wanted = place(named)
    try:
        rows = _rows(path)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise DataError(f"{path} has no prompts")
    name = wanted or next((one for one in COLUMNS if one in rows[0]), "")
    if name not in rows[0]:
        raise DataError(f"{path} has no column '{name or 'prompt'}': name one as FILE:COLUMN, of {', '.join(rows[0])}")
    prompts = dict.fromkeys(_text(row.get(name)) for row in rows)
    return [Labelled(path.stem, Exchange((Message("user", prompt),), ""), safe) for prompt in prompts if prompt.strip()]


def place(named: str) -> tuple[Path, str]:
    """File and column of `FILE` or `FILE:COLUMN`; no column is "". A file may have a colon in its name."""
    text, _, column = named.rpartition(":")
    return (Path(text), column) if text and not Path(named).exists() else (Path(named), "")


def _rows(path: Path) -> list[dict[str, object]]:
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        return [dict(row) for row in csv.DictReader(text.splitlines(keepends=True))]
    lines = [line for line in text.split("\n") if line.strip()]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in lines]
    return [{"prompt": line} for line in lines]


def _text(value: object) -> str:
    """A text, or the first user's text of some turns."""
    if isinstance(value, list) and value:
        first = next((turn for turn in value if isinstance(turn, dict) and turn.get("role") == "user"), value[0])
        return _text(first.get("content") if isinstance(first, dict) else first)
    return value if isinstance(value, str) else ""
