"""Rows of one dialogue as one tree: what they share is read once, and each branch sees its own row alone.

With the last answer alone to learn, a dialogue of twenty turns costs a thousand tokens for twenty that are learned.
Rows that end at different turns of one dialogue have almost all of those tokens in common. In the tree each token
stands once and attends to its ancestors, so loss and gradient are those of the rows one by one, at a fraction of the
reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gatt.training.masks import IGNORED, Encoded

# Of a token with nothing before it.
ROOT = -1


@dataclass(frozen=True, slots=True)
class Tree:
    """`ids` of all tokens, each behind its parent; `parents` are their indexes, or ROOT.

    `learned` holds (from, id) for every learned token of every row: which token it is predicted from, and what it is.
    """

    ids: list[int]
    parents: list[int]
    learned: list[tuple[int, int]]

    @property
    def supervised(self) -> int:
        """How many tokens are learned."""
        return len(self.learned)

    def positions(self) -> list[int]:
        """The place of each token in its row, from 0."""
        places: list[int] = []
        for parent in self.parents:
            places.append(0 if parent == ROOT else places[parent] + 1)
        return places

    def sees(self) -> Tensor:
        """(tokens, tokens), true where the first may attend to the second: to itself and its ancestors."""
        seen = torch.zeros(len(self.ids), len(self.ids), dtype=torch.bool)
        for token, parent in enumerate(self.parents):
            if parent != ROOT:
                seen[token, :token] = seen[parent, :token]
            seen[token, token] = True
        return seen


def merge(rows: Iterable[Encoded]) -> Tree:
    """The tree of some rows; beginnings that they have in common stand in it once."""
    tree = Tree([], [], [])
    children: dict[tuple[int, int], int] = {}
    for row in rows:
        at = ROOT
        for id, label in zip(row.ids, row.labels, strict=True):
            # A row's first token has nothing before it to be predicted from.
            if label != IGNORED and at != ROOT:
                tree.learned.append((at, id))
            if (at, id) not in children:
                children[at, id] = len(tree.ids)
                tree.ids.append(id)
                tree.parents.append(at)
            at = children[at, id]
    return tree


def by_dialogue(rows: Sequence[Encoded]) -> list[Tree]:
    """One tree for each dialogue, in the order of their first rows. A row that names none is its own."""
    groups: dict[object, list[Encoded]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.dialogue_id or number, []).append(row)
    return [merge(group) for group in groups.values()]
