"""What a decoding step needs of a model: next-token logits of several sequences, each with its own cache.

Two implementations: `packed.Packed` computes all sequences in one forward, `one_by_one.OneByOne` each in its own and
any model. Scheduling and sampling know only what is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


class Cache(Protocol):
    """What was computed of one sequence."""

    @property
    def length(self) -> int:
        """Tokens computed so far."""
        ...

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        ...

    def copy(self, length: int) -> Cache | None:
        """A cache of its own holding the first `length` tokens; None where that cannot be had."""
        ...

    def crop(self, length: int) -> bool:
        """Forget all but the first `length` tokens; False where that cannot be had, and the cache is of no use."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """New tokens of one sequence, at least one. They follow what its cache holds."""

    ids: list[int]
    cache: Cache


class Forward(Protocol):
    """A model as a function of rows."""

    @property
    def most_rows(self) -> int:
        """How many rows one call may have."""
        ...

    def new_cache(self) -> Cache:
        """An empty cache."""
        ...

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """Float32 logits (rows, vocabulary) for the token after each row; every cache grows by its row.

        A call of several rows that raises leaves their caches as they were, so that each can be tried alone.
        """
        ...
