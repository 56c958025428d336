"""A forward for each sequence, with transformers' own attention and cache: slow beside others, and for any model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from assistant.engines.forward import Cache, Row


class LibraryCache:
    """transformers' cache of one sequence."""

    def __init__(self, layers: DynamicCache) -> None:
        self.layers = layers

    @property
    def length(self) -> int:
        """See `Cache.length`."""
        return int(self.layers.get_seq_length())

    @property
    def bytes(self) -> int:
        """See `Cache.bytes`. States that are no tensors of a layer's own count as nothing."""
        kept = (value for layer in self.layers.layers for value in vars(layer).values())
        return sum(value.nbytes for value in kept if isinstance(value, torch.Tensor))

    def copy(self, length: int) -> LibraryCache | None:
        """See `Cache.copy`."""
        copied = LibraryCache(copy.deepcopy(self.layers))
        return copied if copied.crop(length) else None

    def crop(self, length: int) -> bool:
        """See `Cache.crop`. Sliding-window and recurrent layers cannot always go back."""
        surplus = self.length - length
        if surplus == 0:
            return True
        try:
            self.layers.crop(-surplus)
        except (RuntimeError, ValueError, NotImplementedError):
            return False
        return self.length == length


class OneByOne:
    """See `Forward`."""

    most_rows = 1

    def __init__(self, model: Any) -> None:
        self._model = model

    def new_cache(self) -> Cache:
        """See `Forward.new_cache`."""
        return LibraryCache(DynamicCache(config=self._model.config))

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """See `Forward`."""
        (row,) = rows
        assert isinstance(row.cache, LibraryCache)
        ids = torch.tensor([row.ids], device=self._model.device)
        output = self._model(input_ids=ids, past_key_values=row.cache.layers, use_cache=True, logits_to_keep=1)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits
