"""What a tab shows, where several handlers look at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import pytest

pytest.importorskip("gradio", reason="the web page needs gradio")

from ui.actions import Actions
from ui.desk import Desk
from ui.parts import Parts, Update
from ui.screen import Screen
from ui.sessions import Sessions
from ui.tab import Tab


class Watched(Screen):
    """Notes when it begins to look and when it has found out."""

    def __init__(self) -> None:
        self.moments: list[str] = []

    def _changes(self, tab: Tab, user: int | None, settings: bool) -> Update:
        self.moments.append("looks")
        time.sleep(0.02)
        self.moments.append("knows")
        return {}


def test_a_slower_look_never_overtakes_a_newer_one() -> None:
    screen, tab = Watched(), Tab(persona="professor")
    with ThreadPoolExecutor(4) as handlers:
        assert list(handlers.map(lambda _: screen.changes(tab, None), range(8))) == [{}] * 8
    assert screen.moments == ["looks", "knows"] * 8


def test_a_session_has_a_tab_of_its_own_until_it_is_the_oldest() -> None:
    tabs = Sessions(lambda: Tab(persona="professor"), most=2)
    first = tabs.of("a")
    first.conversation = 3
    assert tabs.of("b").conversation is None
    assert tabs.of("a") is first
    tabs.of("c")  # "b" was asked for before "a" was
    assert tabs.of("a") is first
    assert [name for name in "abc" if tabs.of(name).fresh] == ["a", "b", "c"]
    assert tabs.of("a") is not first


def test_once_a_reply_has_ended_all_is_shown_again() -> None:
    # Answers to two events at once may reach the page in the other order: it may show a growing reply for good.
    tab = Tab(persona="professor")
    tab.seen = "what was sent last"
    desk = cast(Desk, SimpleNamespace(store=None))
    assert Actions(desk, cast(Parts, None)).act(tab, {"act": "ended"}, None) == {}
    assert tab.seen is None
