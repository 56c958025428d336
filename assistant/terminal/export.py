"""A conversation as text in the format that a file's ending names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, cast, get_args

from assistant.errors import AssistantError
from assistant.store.store import Store

Format = Literal["json", "md", "jsonl"]


def format_of(path: Path) -> Format:
    """The format of a file's ending; raises AssistantError for an unknown one."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in get_args(Format):
        raise AssistantError(f"{path} names no format: end it with .json, .md or .jsonl")
    return cast(Format, ending)


def export_text(store: Store, conversation_id: int, form: Format) -> str:
    """The whole tree as JSON, or the active branch as Markdown or as one ShareGPT line."""
    from assistant import transfer

    if form == "md":
        return transfer.export_markdown(store, conversation_id)
    if form == "jsonl":
        return json.dumps(transfer.export_sharegpt(store, conversation_id), ensure_ascii=False) + "\n"
    return json.dumps(transfer.export_json(store, conversation_id), ensure_ascii=False, indent=2) + "\n"


def write_new(path: Path, text: str) -> None:
    """Write a file that does not exist yet; raises AssistantError if it does, or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AssistantError(f"{path} exists: give another name") from None
    except OSError as error:
        raise AssistantError(f"{path} cannot be written: {error.strerror}") from None
