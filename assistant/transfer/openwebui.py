"""Open WebUI's chat export."""

from __future__ import annotations

from typing import Any

from assistant.personas.persona import Persona
from assistant.transfer.draft import Draft, ItemError, instructed, milliseconds, text_of
from assistant.transfer.tree import Node, thread


def read_openwebui(item: dict[str, Any], base: Persona) -> Draft:
    """The conversation in one object of the export; raises ItemError."""
    chat = item["chat"]
    history = _object(chat.get("history"))
    messages = history.get("messages")
    # Chats from before branches were kept are a list.
    entries = list(messages.items()) if isinstance(messages, dict) else _chained(chat.get("messages"))
    nodes: list[Node] = []
    instruction = [text_of(chat.get("system")) or text_of(_object(chat.get("params")).get("system"))]
    for key, entry in entries:
        if not isinstance(entry, dict):
            raise ItemError(f"message {key:.40} is not an object")
        nodes.append(_node(key, entry, instruction))
    current = history.get("currentId")
    rows, active = thread(nodes, current if isinstance(current, str) else None)
    models = chat.get("models")
    tags = _object(item.get("meta")).get("tags", chat.get("tags"))
    losses: list[str] = []
    return Draft(
        [instructed(base, "\n\n".join(text for text in instruction if text.strip()), losses)],
        rows,
        active,
        title=text_of(chat.get("title")) or text_of(item.get("title")),
        model=text_of(models[0]) if isinstance(models, list) and models else "",
        tags=[tag for tag in map(_tag, tags) if tag] if isinstance(tags, list) else [],
        pinned=item.get("pinned") is True,
        archived=item.get("archived") is True,
        losses=losses,
    )


def _node(key: str, entry: dict[str, Any], instruction: list[str]) -> Node:
    parent, role, text = entry.get("parentId"), entry.get("role"), _text(entry.get("content"))
    if parent is not None and not isinstance(parent, str):
        raise ItemError(f"message {key:.40} has a parent that is no id")
    node = Node(key, parent, "user", "", milliseconds(entry.get("timestamp")))
    if role == "system":
        instruction.append(text)
    elif role == "user":
        node.text = text
    elif role == "assistant":
        node.role, node.text, node.model = "assistant", text, text_of(entry.get("model"))
        if entry.get("done") is False:
            node.status = "interrupted"
        error = entry.get("error")
        if error:
            node.status = "failed"
            node.error = text_of(_object(error).get("content")) or text_of(error) or "the reply failed"
    return node


def _chained(messages: Any) -> list[tuple[str, Any]]:
    if not isinstance(messages, list):
        raise ItemError("chat has neither history nor messages; export it again")
    keys = [str(place) for place in range(len(messages))]
    parents = [None, *keys]
    return [
        (key, {**entry, "parentId": parent} if isinstance(entry, dict) else entry)
        for key, parent, entry in zip(keys, parents, messages, strict=False)
    ]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n\n".join(text for part in content if (text := text_of(_object(part).get("text"))))
    return text_of(content)


def _tag(tag: Any) -> str:
    return text_of(_object(tag).get("name")) or text_of(tag)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
