"""Conversations in and out by the page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from assistant.errors import AssistantError
from assistant.store.store import Store
from assistant.transfer.importing import import_file

_SHOWN: Final = 5


def take_in(store: Store, file: Path, user: int | None) -> str:
    """Import an uploaded file for this person; what came of it, as Markdown."""
    try:
        report = import_file(store, file, user_id=user)
    except AssistantError as error:
        # The path is one of this server's, which means nothing to whoever sent the file.
        return _plain(str(error).replace(str(file), file.name))
    count = len(report.conversation_ids)
    lines = [f"{count} conversation{'' if count == 1 else 's'} imported."]
    lines += [_plain(f"Left out: {skipped}") for skipped in report.skipped[:_SHOWN]]
    if len(report.skipped) > _SHOWN:
        lines.append(f"{len(report.skipped) - _SHOWN} more were left out.")
    return "\n\n".join(lines)


def _plain(text: str) -> str:
    """Text as itself in Markdown."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-.!|~&$" else char for char in text)
