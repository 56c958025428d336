"""Tables, JSON and conversations on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

import typer

from assistant.store.records import Conversation
from assistant.store.store import Store
from assistant.terminal.safe_text import displayable


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; the last one ends where it ends."""
    cells = [[displayable(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    for row in [list(header), *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def print_json(value: Any) -> None:
    """Any value of ours; dataclasses become objects."""
    typer.echo(json.dumps(value, ensure_ascii=True, indent=2, default=_plain))


def print_file(text: str) -> None:
    """What could be a file's text: as the file would hold it, but at a terminal only what a terminal may show."""
    typer.echo(displayable(text) if sys.stdout.isatty() else text.encode(), nl=False)


def branch_lines(store: Store, conversation: Conversation) -> Iterator[str]:
    """The conversation's active branch; each reply with the persona that said it."""
    now = store.persona_version(conversation.persona_version_id)
    speakers = {now.id: now}
    yield f"# {displayable(conversation.title) or '(no title)'} ({now.name} v{now.version})"
    leaf = conversation.active_leaf_id
    for message in store.branch(leaf) if leaf is not None else []:
        speaker = {"user": "You", "system": "System"}.get(message.role)
        if speaker is None:
            version = message.persona_version_id or now.id
            if version not in speakers:
                speakers[version] = store.persona_version(version)
            speaker = displayable(speakers[version].persona.title)
        note = "" if message.status == "complete" else f" ({message.status})"
        yield f"\n## {speaker}{note}\n{displayable(message.content)}"


def moment(milliseconds: int) -> str:
    """A stored time in the local time zone."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
