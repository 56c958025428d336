"""A conversation's tree of messages as lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from assistant.store.records import StoredMessage
from assistant.terminal.safe_text import one_line

SPEAKER = {"user": "you", "assistant": "reply", "system": "system"}

_Children = dict[int | None, list[StoredMessage]]


def leaves_in_order(messages: Sequence[StoredMessage]) -> list[StoredMessage]:
    """The last message of every branch, from the tree's top to its bottom as `draw` numbers them."""
    children = _children(messages)
    found: list[StoredMessage] = []
    waiting = list(reversed(children[None]))
    while waiting:
        message = waiting.pop()
        below = children.get(message.id, [])
        if not below:
            found.append(message)
        waiting.extend(reversed(below))
    return found


def draw(messages: Sequence[StoredMessage], active_leaf: int | None, width: int = 60) -> str:
    """One line for each stretch of messages without a fork, indented under the fork it hangs from.

    A stretch shows its first message and its length; one that ends a branch has the branch's number. The one that
    ends where the conversation stands has a star: a stretch ends there, too, whatever follows.
    """
    children = _children(messages)
    numbers = {leaf.id: number for number, leaf in enumerate(leaves_in_order(messages), start=1)}
    lines: list[str] = []
    waiting = [(message, 0) for message in reversed(children[None])]
    while waiting:
        first, depth = waiting.pop()
        last, length = first, 1
        while len(below := children.get(last.id, [])) == 1 and last.id != active_leaf:
            last, length = below[0], length + 1
        more = f" (+{length - 1})" if length > 1 else ""
        star = "*" if last.id == active_leaf else ""
        number = f"[{numbers[last.id]}]{star} " if last.id in numbers else f"┬{star} "
        text = one_line(first.content, width) or f"({first.status})"
        lines.append(f"{'  ' * depth}{number}{SPEAKER[first.role]}: {text}{more}")
        waiting.extend((message, depth + 1) for message in reversed(below))
    return "\n".join(lines)


def _children(messages: Sequence[StoredMessage]) -> _Children:
    children: _Children = defaultdict(list)
    for message in sorted(messages, key=lambda m: m.id):
        children[message.parent_id].append(message)
    return children
