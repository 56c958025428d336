"""What each open page has of its own on this server, by its session.

Not Gradio's state, which has every page keep a connection open for it: a browser has six for all its tabs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, TypeVar

Own = TypeVar("Own")

# A page that was forgotten says itself which conversation it shows.
MOST: Final = 2_000


class Sessions(Generic[Own]):
    """Makes what a session has when it is first asked for; the one that was not asked for the longest is forgotten."""

    def __init__(self, make: Callable[[], Own], most: int = MOST) -> None:
        self._make = make
        self._most = most
        self._own: OrderedDict[str, Own] = OrderedDict()
        self._lock = Lock()

    def of(self, session: str | None) -> Own:
        """What this session has."""
        with self._lock:
            name = session or ""
            if name not in self._own:
                self._own[name] = self._make()
            self._own.move_to_end(name)
            if len(self._own) > self._most:
                self._own.popitem(last=False)
            return self._own[name]
