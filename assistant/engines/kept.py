"""Caches kept between the turns of conversations."""

from __future__ import annotations

from collections import OrderedDict

from assistant.engines.forward import Cache

# What kept caches may take in all. The last one is kept whatever it takes.
KEPT_BYTES = 1 << 30


class KeptCaches:
    """The caches of the conversations that were last advanced."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[list[int], Cache]] = OrderedDict()

    def shared(self, session: str | None, prompt: list[int]) -> int:
        """How many tokens of the prompt the conversation's cache holds."""
        if session is None or session not in self._kept:
            return 0
        return shared_prefix(self._kept[session][0], prompt)

    def take(self, session: str | None, length: int) -> Cache | None:
        """The conversation's cache cut to `length` tokens; it is no longer kept."""
        if session is None or not length or session not in self._kept:
            return None
        _, cache = self._kept.pop(session)
        return cache if cache.crop(length) else None

    def put(self, session: str, ids: list[int], cache: Cache) -> None:
        """Keep a cache that holds `ids`, instead of the conversation's former one."""
        self._kept[session] = (ids, cache)
        self._kept.move_to_end(session)
        while len(self._kept) > 1 and sum(cache.bytes for _, cache in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)


def shared_prefix(left: list[int], right: list[int]) -> int:
    """How many tokens both begin with."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
