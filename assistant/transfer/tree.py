"""Message trees of other programs, brought to the shape that ours have.

Ours alternate between user and assistant. Others hold hidden nodes, tool calls and several messages of one side
in a row: hidden ones are left out and what followed them is linked to what came before; neighbours of one side
are joined.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from assistant.events import Status
from assistant.store.records import NewMessage, Role
from assistant.transfer.draft import MAX_CHARACTERS, MAX_MESSAGES, ItemError

# Joining on many branches repeats text; no real conversation comes near.
_MAX_JOINED = 16 * MAX_CHARACTERS

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Node:
    """A message of another program. One without text is left out."""

    key: str
    parent: str | None
    role: Role
    text: str
    created_at: int | None = None
    model: str = ""
    status: Status = "complete"
    error: str | None = None


def parents_first(parents: Mapping[Key, Key | None]) -> list[Key]:
    """The keys in the given order, except that a parent comes before its children.

    Raises ItemError for a parent that is missing and for messages that are each other's ancestors.
    """
    placed: set[Key] = set()
    ordered: list[Key] = []
    for key in parents:
        chain: dict[Key, None] = {}
        step: Key | None = key
        while step is not None and step not in placed:
            if step in chain:
                raise ItemError(f"message {_short(step)} comes after itself; export the conversation again")
            if step not in parents:
                child = next(reversed(chain))
                raise ItemError(
                    f"message {_short(child)} answers {_short(step)}, which is missing; export the conversation again"
                )
            chain[step] = None
            step = parents[step]
        ordered += reversed(chain)
        placed.update(chain)
    return ordered


def thread(nodes: Iterable[Node], active: str | None) -> tuple[list[NewMessage], int]:
    """The rows to store and the place of the active leaf; raises ItemError."""
    by_key: dict[str, Node] = {}
    for node in nodes:
        if node.key in by_key:
            raise ItemError(f"has two messages called {_short(node.key)}; export the conversation again")
        by_key[node.key] = node
    if len(by_key) > 2 * MAX_MESSAGES:
        raise ItemError(f"has {len(by_key)} messages, more than {MAX_MESSAGES}; split it")
    order = parents_first({key: node.parent for key, node in by_key.items()})

    # The nearest message with text at or above each node.
    anchor: dict[str, str | None] = {}
    kept: list[Node] = []
    for key in order:
        node = by_key[key]
        above = None if node.parent is None else anchor[node.parent]
        if node.text.strip():
            anchor[key] = key
            node.parent = above
            kept.append(node)
        else:
            anchor[key] = above
    if not kept:
        raise ItemError("holds no messages")
    kept, heir = _join(kept)
    places = {node.key: place for place, node in enumerate(kept)}
    rows = [_row(node, places) for node in kept]
    target = anchor.get(active) if active is not None else None
    while target in heir:
        target = heir[target]
    return rows, len(rows) - 1 if target is None else places[target]


def _join(nodes: list[Node]) -> tuple[list[Node], dict[str, str]]:
    """Joins neighbours of one role; also tells which message has taken in each that is gone."""
    by_key = {node.key: node for node in nodes}
    answered = {node.parent for node in nodes if node.parent and by_key[node.parent].role != node.role}
    heir: dict[str, str] = {}
    total = 0
    for node in nodes:  # parents first: a parent's own text is already joined
        parent = by_key[node.parent] if node.parent is not None else None
        if parent is None or parent.role != node.role:
            continue
        total += len(parent.text) + len(node.text)
        if total > _MAX_JOINED:
            raise ItemError("has too many messages of one side in a row; split it")
        if parent.key not in answered:
            heir[parent.key] = node.key
        node.text = f"{parent.text}\n\n{node.text}"
        node.parent = parent.parent
    return [node for node in nodes if node.key not in heir], heir


def _row(node: Node, places: dict[str, int]) -> NewMessage:
    return NewMessage(
        node.role,
        node.text,
        after=None if node.parent is None else places[node.parent],
        status=node.status,
        created_at=node.created_at,
        model=node.model,
        error=node.error,
    )


def _short(key: object) -> str:
    return repr(key) if len(repr(key)) <= 40 else f"{repr(key)[:39]}…"
