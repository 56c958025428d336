"""Generated persona dialogues for instruction tuning."""

from recipes.bundled_chat.dialogues.generate import dialogues

__all__ = ["dialogues"]
