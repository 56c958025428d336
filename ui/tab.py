"""What one browser tab shows. It lives with the tab's session; nothing in it is lost that the store does not keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assistant.personas.persona import Persistence
from ui.listing import PAGE, Shelf


@dataclass(slots=True)
class Tab:
    """`conversation` is None for one that begins with its first message, to `persona`; what is said next goes after
    `leaf`, so two tabs that went apart make branches. `editing` is a message that is
    about to be said differently; `following` the running reply that this tab shows as it grows. `seen` and `listed`
    stand for what the page shows now, so that only what changed is sent. `fresh`: the tab is new, or the server is.
    """

    persona: str = ""
    conversation: int | None = None
    leaf: int | None = None
    persistence: Persistence | None = None
    everything: bool = False
    editing: int | None = None
    following: int | None = None
    shelf: Shelf = "chats"
    search: str = ""
    limit: int = PAGE
    undo: int | None = None
    fresh: bool = True
    seen: Any = None
    listed: str = field(default="", repr=False)

    def leave(self, conversation: int | None) -> None:
        """Go over to another conversation, or to one that is yet to begin."""
        self.conversation, self.seen, self.leaf = conversation, None, None
        self.editing, self.everything = None, False
