"""ChatGPT's data export, conversations.json."""

from __future__ import annotations

from typing import Any

from assistant.personas.persona import Persona
from assistant.store.records import Role
from assistant.transfer.draft import Draft, ItemError, instructed, milliseconds, text_of
from assistant.transfer.tree import Node, thread

# What stands for a part that is not text.
_ATTACHMENTS = {
    "image_asset_pointer": "[image]",
    "audio_asset_pointer": "[audio]",
    "video_container_asset_pointer": "[video]",
    "real_time_user_audio_video_asset_pointer": "[audio]",
}
# The model's notes to itself and the settings a person gave once are no part of what was said.
_UNSAID = {"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"}


def read_chatgpt(item: dict[str, Any], base: Persona) -> Draft:
    """The conversation in one object of the export; raises ItemError."""
    mapping = item["mapping"]
    if not isinstance(mapping, dict):
        raise ItemError("mapping is not an object of messages")
    nodes: list[Node] = []
    instruction: list[str] = []
    for key, entry in mapping.items():
        if not isinstance(entry, dict):
            raise ItemError(f"message {key:.40} is not an object")
        parent = entry.get("parent")
        if parent is not None and not isinstance(parent, str):
            raise ItemError(f"message {key:.40} has a parent that is no id")
        node = Node(key, parent, "user", "")
        message = entry.get("message")
        if isinstance(message, dict):
            _fill(node, message, instruction)
        nodes.append(node)
    # The mapping has no order of its own; siblings are told apart by their time.
    nodes.sort(key=lambda node: node.created_at or 0)
    current = item.get("current_node")
    rows, active = thread(nodes, current if isinstance(current, str) else None)
    losses: list[str] = []
    return Draft(
        [instructed(base, "\n\n".join(instruction), losses)],
        rows,
        active,
        title=text_of(item.get("title")),
        model=text_of(item.get("default_model_slug")),
        pinned=item.get("is_starred") is True,
        archived=item.get("is_archived") is True,
        losses=losses,
    )


def _fill(node: Node, message: dict[str, Any], instruction: list[str]) -> None:
    node.created_at = milliseconds(message.get("create_time"))
    author, metadata, content = (_object(message.get(key)) for key in ("author", "metadata", "content"))
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return
    role, text = author.get("role"), _text(content)
    if role == "system" and text.strip():
        instruction.append(text)
    # A reply addressed to someone else than the reader is a call of a tool.
    if role in ("user", "assistant") and message.get("recipient") in (None, "all"):
        said: Role = role
        node.role, node.text = said, text
        node.model = text_of(metadata.get("model_slug"))
        if said == "assistant" and message.get("status") == "in_progress":
            node.status = "interrupted"


def _text(content: dict[str, Any]) -> str:
    kind = content.get("content_type")
    if isinstance(kind, str) and kind in _UNSAID:
        return ""
    parts = content.get("parts")
    if not isinstance(parts, list):
        return text_of(content.get("text"))
    return "\n\n".join(text for text in map(_part, parts) if text)


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return text_of(part)
    kind = part.get("content_type")
    return text_of(part.get("text")) or (_ATTACHMENTS.get(kind, "") if isinstance(kind, str) else "")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
