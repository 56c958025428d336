"""What an export of one branch leaves out."""

from __future__ import annotations

from assistant.store.store import Store


def left_out_note(store: Store, conversation_id: int, form: str) -> str:
    """What to say beside an export in a format, `json` holding the whole tree; empty where nothing is left out."""
    if form == "json":
        return ""
    active = store.conversation(conversation_id).active_leaf_id
    others = sum(leaf.id != active for leaf in store.leaves(conversation_id))
    if not others:
        return ""
    branches = "1 other branch is" if others == 1 else f"{others} other branches are"
    return f"{branches} only in a .json export"
