"""Generated persona dialogues for instruction tuning."""

from recipes.bundled_chat.dialogues.stream import dialogues

__all__ = ["dialogues"]
