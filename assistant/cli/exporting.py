"""A conversation as text for stdout."""

from __future__ import annotations

import json
import sys
from typing import Literal

from assistant.store.store import Store
from assistant.terminal.safe_text import displayable
from assistant.transfer.export import export_json, export_sharegpt
from assistant.transfer.markdown import export_markdown


def export_text(store: Store, conversation_id: int, form: Literal["json", "md", "jsonl"]) -> str:
    """The conversation in a format; at a terminal without what a terminal would act on."""
    if form == "md":
        text = export_markdown(store, conversation_id)
        return displayable(text) if sys.stdout.isatty() else text
    value = export_json(store, conversation_id) if form == "json" else export_sharegpt(store, conversation_id)
    return json.dumps(value, indent=1 if form == "json" else None) + "\n"
