"""Plain dialogues, and users in them who order something."""

from __future__ import annotations

from recipes.bundled_chat import chats


def test_orders_stand_before_some_messages_and_change_nothing_else() -> None:
    plain, ordering = (list(chats.plain(3, 40, orders=orders)) for orders in (0.0, 0.3))
    assert plain == list(chats.plain(3, 40))
    pairs = [pair for chats in zip(plain, ordering, strict=True) for pair in zip(*chats, strict=True)]
    asked = [(before, after) for before, after in pairs if before.role == "user"]
    assert all(before == after for before, after in pairs if before.role != "user")
    assert all(after.content.endswith(before.content) for before, after in asked)
    assert 0.2 < sum(before != after for before, after in asked) / len(asked) < 0.4
