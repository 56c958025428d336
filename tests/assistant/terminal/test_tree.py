"""The drawn tree numbers branches as `/branch` takes them."""

from __future__ import annotations

from assistant.store.records import Role, StoredMessage
from assistant.terminal.tree import draw, leaves_in_order


def message(id: int, parent: int | None, content: str, role: Role = "user") -> StoredMessage:
    return StoredMessage(
        id=id,
        conversation_id=1,
        parent_id=parent,
        role=role,
        content=content,
        status="complete",
        finish_reason=None,
        error=None,
        model="",
        params={},
        prompt_tokens=0,
        completion_tokens=0,
        cached_tokens=0,
        ttft_ms=None,
        duration_ms=None,
        persona_version_id=None,
        dropped_turns=0,
        created_at=0,
        updated_at=0,
    )


def test_stretches_hang_under_their_fork_and_leaves_are_numbered_from_the_top() -> None:
    messages = [
        message(1, None, "Hello"),
        message(2, 1, "Hi", "assistant"),
        message(3, 2, "More"),
        message(4, 3, "Much", "assistant"),
        message(5, 2, "Less"),
        message(6, 5, "Little", "assistant"),
        message(7, 5, "Nothing", "assistant"),
        message(8, None, "Good day"),
    ]
    assert draw(messages, active_leaf=6) == (
        "┬ you: Hello (+1)\n"
        "  [1] you: More (+1)\n"
        "  ┬ you: Less\n"
        "    [2]* reply: Little\n"
        "    [3] reply: Nothing\n"
        "[4] you: Good day"
    )
    assert [leaf.id for leaf in leaves_in_order(messages)] == [4, 6, 7, 8]


def test_a_star_marks_a_fork_that_the_conversation_stands_at() -> None:
    messages = [message(1, None, "A"), message(2, 1, "B", "assistant"), message(3, 1, "C", "assistant")]
    assert draw(messages, active_leaf=1).startswith("┬* you: A\n")


def test_a_long_conversation_needs_no_deep_recursion() -> None:
    messages = [message(1, None, "0")]
    for id in range(2, 6000, 2):
        messages += [message(id, id - 1, "x"), message(id + 1, id - 1, "y")]
    assert len(leaves_in_order(messages)) == 3000
    assert draw(messages, None).count("\n") > 3000
