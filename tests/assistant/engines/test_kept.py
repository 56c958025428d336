"""Which conversations' caches stay."""

from __future__ import annotations

import pytest

from assistant.engines import kept
from assistant.engines.forward import Cache
from assistant.engines.kept import KeptCaches


class Sized:
    """A cache of which only the size matters."""

    length = 2

    def __init__(self, size: int) -> None:
        self.bytes = size

    def copy(self, length: int) -> Cache | None:
        return None

    def crop(self, length: int) -> bool:
        return True


def test_the_oldest_caches_go_when_all_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_BYTES", 100)
    caches = KeptCaches()
    for name in ("first", "second", "third"):
        caches.put(name, [1, 2], Sized(40))
    assert [caches.shared(name, [1, 2, 3]) for name in ("first", "second", "third")] == [0, 2, 2]


def test_the_newest_cache_stays_whatever_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_BYTES", 100)
    caches = KeptCaches()
    caches.put("small", [1, 2], Sized(10))
    caches.put("huge", [1, 2], Sized(1000))
    assert [caches.shared(name, [1, 2]) for name in ("small", "huge")] == [0, 2]
