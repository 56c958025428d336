"""Encoded rows into batches: several rows in one forward pass, none of which sees another.

Rows of one dialogue are joined into trees (`sharing.py`). Others are either rows of like length, padded on the right:
the causal mask alone keeps every token from the padding behind it, so the fast causal kernels run without a mask. Or
they are rows joined into one sequence whose position ids restart with every row: transformers reads the restarts and
masks the blocks. All give the loss and the gradient of rows one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from gatt.training.masks import IGNORED, Encoded
from gatt.training.sharing import Tree

# What stands behind a row's end. Never attended to and never learned, so any id would do.
PADDING = 0


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One forward pass.

    `ids` and `positions` are (rows, length). `keep` (kept) are the positions along the length whose logits are
    needed, and `targets` (rows, kept) the ids to be predicted there, IGNORED where a row learns nothing. A position
    may be kept more than once. `mask` (rows, 1, length, length) is true where a token may attend to another; None is
    causal.
    """

    ids: Tensor
    positions: Tensor
    keep: Tensor
    targets: Tensor
    mask: Tensor | None = None

    @property
    def learned(self) -> int:
        """How many tokens are learned from it."""
        return int((self.targets != IGNORED).sum())

    def to(self, device: torch.device) -> MicroBatch:
        ids, positions, keep, targets = (
            part.to(device, non_blocking=True) for part in (self.ids, self.positions, self.keep, self.targets)
        )
        mask = None if self.mask is None else self.mask.to(device, non_blocking=True)
        return MicroBatch(ids, positions, keep, targets, mask)


def steps(lengths: Sequence[int], *, batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Row numbers of each optimizer step of an epoch: shuffled, then cut at about `batch_tokens` tokens a step."""
    order = list(range(len(lengths)))
    Random(f"{seed}/{epoch}").shuffle(order)
    cut: list[list[int]] = [[]]
    tokens = 0
    for row in order:
        if cut[-1] and tokens + lengths[row] > batch_tokens:
            cut.append([])
            tokens = 0
        cut[-1].append(row)
        tokens += lengths[row]
    return cut


def micro_batches(rows: Sequence[int], lengths: Sequence[int], *, micro_tokens: int, packed: bool) -> list[list[int]]:
    """Split the rows of a step into forward passes of at most `micro_tokens` positions, padding included.

    Rows are taken by length, so that there is little to pad. A row longer than `micro_tokens` goes alone.
    """
    groups: list[list[int]] = []
    positions = 0
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        width = lengths[row] if packed or not groups else lengths[groups[-1][0]]
        if not groups or positions + width > micro_tokens:
            groups.append([])
            positions, width = 0, lengths[row]
        groups[-1].append(row)
        positions += width
    return groups


def together(rows: Sequence[Encoded | Tree], *, packed: bool) -> MicroBatch:
    """One forward pass of rows, or of trees."""
    if trees := [row for row in rows if isinstance(row, Tree)]:
        return join(trees)
    alone = [row for row in rows if isinstance(row, Encoded)]
    return pack(alone) if packed else pad(alone)


def pad(rows: Sequence[Encoded]) -> MicroBatch:
    """Rows under one another, padded on the right to the longest."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), PADDING)
    labels = torch.full((len(rows), longest), IGNORED)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        labels[number, : len(row.ids)] = torch.tensor(row.labels)
    return _batch(ids, torch.arange(longest).expand(len(rows), -1), labels)


def pack(rows: Sequence[Encoded]) -> MicroBatch:
    """Rows behind one another in one sequence; position ids restart with each."""
    ids = torch.tensor([id for row in rows for id in row.ids])
    positions = torch.cat([torch.arange(len(row.ids)) for row in rows])
    # A row's first token has nothing before it in its own row to be predicted from.
    labels = torch.tensor([label for row in rows for label in (IGNORED, *row.labels[1:])])
    return _batch(ids[None], positions[None], labels[None])


def join(trees: Sequence[Tree]) -> MicroBatch:
    """Trees behind one another in one sequence; the mask keeps their branches apart."""
    ids = torch.tensor([id for tree in trees for id in tree.ids])
    positions = torch.tensor([place for tree in trees for place in tree.positions()])
    starts = [sum(len(tree.ids) for tree in trees[:at]) for at in range(len(trees))]
    keep = torch.tensor([start + at for start, tree in zip(starts, trees, strict=True) for at, _ in tree.learned])
    targets = torch.tensor([id for tree in trees for _, id in tree.learned])
    mask = torch.block_diag(*(tree.sees() for tree in trees)).bool()
    return MicroBatch(ids[None], positions[None], keep, targets[None], mask[None, None])


def _batch(ids: Tensor, positions: Tensor, labels: Tensor) -> MicroBatch:
    """Shift: the token at position p + 1 is predicted from position p."""
    following = labels[:, 1:]
    keep = (following != IGNORED).any(0).nonzero().flatten()
    return MicroBatch(ids, positions, keep, following[:, keep])
