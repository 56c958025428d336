"""What one browser tab shows. It lives with the tab's session; nothing in it is lost that the store does not keep."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from assistant.personas.persona import Persistence
from assistant.sampling import Sampling
from assistant.store.records import Stricter
from ui.listing import PAGE, Shelf


@dataclass(frozen=True, slots=True)
class Choices:
    """How replies are made, where that is not left to the persona and the server."""

    persistence: Persistence | None = None
    sampling: Sampling | None = None
    guard: Stricter | None = None


@dataclass(slots=True)
class Tab:
    """`conversation` is None for one that begins with its first message, to `persona` and with `choices`; what is said
    next goes after `leaf`, so two tabs that went apart make branches. `editing` is a message that is about to be said
    differently. `seen`, `settings` and `listed` stand for what the page shows now, so that only what changed is sent.
    `fresh`: the tab is new, or the server is.
    """

    persona: str = ""
    conversation: int | None = None
    leaf: int | None = None
    choices: Choices = Choices()
    everything: bool = False
    editing: int | None = None
    shelf: Shelf = "chats"
    search: str = ""
    limit: int = PAGE
    undo: int | None = None
    fresh: bool = True
    seen: Any = None
    settings: Any = None
    listed: str = field(default="", repr=False)
    # Held while it is found out what to show: of two handlers at once, the slower would show what was before.
    looking: Lock = field(default_factory=Lock, repr=False, compare=False)
    # Held while something is said: of two clicks at once, the second finds a reply being written.
    saying: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)

    def leave(self, conversation: int | None) -> None:
        """Go over to another conversation, or to one that is yet to begin."""
        self.conversation, self.seen, self.leaf = conversation, None, None
        self.editing, self.everything = None, False
