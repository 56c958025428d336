"""Writing a conversation to a file, in the format its name asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from assistant.store.store import Store
from assistant.transfer.export import export_json, export_sharegpt
from assistant.transfer.importing import TransferError
from assistant.transfer.markdown import export_markdown

Form = Literal["json", "md", "jsonl"]
_FORMS: dict[str, Form] = {".json": "json", ".md": "md", ".markdown": "md", ".jsonl": "jsonl"}


def serialise(store: Store, conversation_id: int, form: Form) -> str:
    """The conversation as a file's text: the whole tree (json), the active branch as Markdown or as a ShareGPT line.

    Raises NotFoundError.
    """
    if form == "md":
        return export_markdown(store, conversation_id)
    if form == "json":
        return json.dumps(export_json(store, conversation_id), ensure_ascii=False, indent=1) + "\n"
    return json.dumps(export_sharegpt(store, conversation_id), ensure_ascii=False) + "\n"


def write_conversation(store: Store, conversation_id: int, path: Path) -> None:
    """Writes .json (the whole tree), .md or .jsonl (ShareGPT). An existing file is never written over.

    Raises NotFoundError, and TransferError for another suffix or a file that cannot be made.
    """
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise TransferError(f"{path} names no known format; let it end in .json, .md or .jsonl")
    text = serialise(store, conversation_id, form)
    try:
        # Binary: line ends in messages stay as they are on every system.
        with path.open("xb") as stream:
            stream.write(text.encode())
    except FileExistsError:
        raise TransferError(f"{path} exists; give another name") from None
    except OSError as error:
        raise TransferError(f"{path} cannot be written: {error.strerror or error}; check the folder") from None
