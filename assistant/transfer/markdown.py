"""Conversations as Markdown that a person reads and `read_markdown` reads back.

Each message stands as it was written, below an HTML comment that no viewer shows. The comments carry a key that
occurs nowhere in the text, so no message can pass for one.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from assistant.store.store import Store
from assistant.transfer.draft import Draft, ItemError
from assistant.transfer.export import FORMAT, export_json
from assistant.transfer.own import read_own

START = f"<!-- {FORMAT} "
_HEADER = re.compile(rf"<!-- {re.escape(FORMAT)} ([0-9a-f]{{12}}) (\{{.*\}}) -->\r?\n")
_HEADING = re.compile(r"### [^\n]*\n\n?")


def export_markdown(store: Store, conversation_id: int) -> str:
    """The active branch, message text unchanged; its head says how many others there are. Raises NotFoundError."""
    whole = export_json(store, conversation_id)
    branch = _branch(whole)
    used = {whole["persona_version"], *(message["persona_version"] for message in branch)}
    personas = {kept["id"]: kept for kept in whole["persona_versions"] if kept["id"] in used}
    title = whole["title"] or "Conversation"
    speaker = personas[whole["persona_version"]]
    about = f"{speaker['persona']['title']} ({speaker['persona']['name']}, version {speaker['version']})"

    header = {**whole, "persona_versions": list(personas.values())}
    del header["messages"], header["active_leaf"]
    parts: list[str] = [_one_line(title), _one_line(about), _comment(header)]
    for message in branch:
        own = personas.get(message["persona_version"], speaker)["persona"]["title"]
        name = {"user": "You", "system": "System"}.get(message["role"], _one_line(own))
        meta = {key: value for key, value in message.items() if key not in ("id", "parent", "content")}
        parts += [_comment(meta), f"{name}{_aside(message)}", message["content"]]
    key = _key(parts)

    lines = [f"{START}{key} {parts[2]} -->\n# {parts[0]}\n\n*{parts[1]}*\n\n{_missing(whole)}"]
    for meta_text, heading, content in zip(parts[3::3], parts[4::3], parts[5::3], strict=True):
        lines.append(f"<!-- {key} {meta_text} -->\n### {heading}\n\n{content}\n\n")
    lines.append(f"<!-- {key} end -->\n")
    return "".join(lines)


def read_markdown(text: str) -> Draft:
    """The conversation in a text made by `export_markdown`; raises ItemError."""
    header = _HEADER.match(text)
    if header is None:
        raise ItemError("its first line is damaged; export the conversation again")
    if header[0].endswith("\r\n"):
        # An editor has changed every line ending, those of the messages too.
        text = text.replace("\r\n", "\n")
        header = _HEADER.match(text) or header
    pieces = re.split(rf"^<!-- {header[1]} (.*) -->\n?", text[header.end() :], flags=re.MULTILINE)
    metas, contents = pieces[1::2], pieces[2::2]
    if not metas or metas[-1] != "end":
        raise ItemError("its last line is missing, so it may be cut short; export the conversation again")
    messages = []
    for place, (meta, content) in enumerate(zip(metas[:-1], contents, strict=False)):
        body = content[found.end() :] if (found := _HEADING.match(content)) else content
        body = body.removesuffix("\n\n") if body.endswith("\n\n") else body.removesuffix("\n")
        messages.append({**_load(meta), "id": place, "parent": place - 1 if place else None, "content": body})
    active = len(messages) - 1 if messages else None
    return read_own({**_load(header[2]), "messages": messages, "active_leaf": active})


def _branch(whole: dict[str, Any]) -> list[dict[str, Any]]:
    by_id = {message["id"]: message for message in whole["messages"]}
    branch = []
    step = whole["active_leaf"]
    while step is not None:
        branch.append(by_id[step])
        step = by_id[step]["parent"]
    return branch[::-1]


def _missing(whole: dict[str, Any]) -> str:
    no_other_end = {message["parent"] for message in whole["messages"]} | {whole["active_leaf"]}
    others = sum(message["id"] not in no_other_end for message in whole["messages"])
    if others == 0:
        return ""
    count = "1 other branch is" if others == 1 else f"{others} other branches are"
    return f"*{count} only in the JSON export.*\n\n"


def _key(parts: list[str]) -> str:
    """A key that none of the parts holds, and always the same for the same parts."""
    text = "\n".join(parts)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    while key in text:
        key = hashlib.sha256(key.encode()).hexdigest()[:12]
    return key


def _comment(value: dict[str, Any]) -> str:
    """JSON on one line that cannot end an HTML comment."""
    return json.dumps(value).replace(">", "\\u003e")


def _load(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ItemError("one of its comment lines is damaged; export the conversation again")
    return value


def _aside(message: dict[str, Any]) -> str:
    status = "" if message["status"] == "complete" else f" ({message['status']})"
    moment = datetime.fromtimestamp(message["created_at"] / 1000, UTC)
    return f"{status}, {moment:%Y-%m-%d %H:%M} UTC"


def _one_line(text: str) -> str:
    """Text for a heading; a `<` in it could open a comment that hides what follows."""
    return " ".join(text.split()).replace("<", "&lt;")
