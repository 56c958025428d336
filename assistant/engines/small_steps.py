"""Steps that are too small to share among a processor's cores."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from assistant.engines.forward import Cache, Forward, Row

# Products of numbers (tokens by weights) below which a step gains nothing from a second thread: starting the threads
# and waiting for the last, some sixty times a step, takes what they save. The bundled model has 12 million a token.
SMALL_STEP = 50_000_000


class SmallStepsAlone:
    """A forward (see `Forward`) whose small steps one thread computes: the other cores are free for judge and page."""

    def __init__(self, forward: Forward, weights: int) -> None:
        """`weights` is how many the model has."""
        self._forward = forward
        self._weights = weights
        self._threads = torch.get_num_threads()
        self.most_rows = forward.most_rows

    def new_cache(self) -> Cache:
        """See `Forward.new_cache`."""
        return self._forward.new_cache()

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """See `Forward`."""
        if sum(len(row.ids) for row in rows) * self._weights >= SMALL_STEP:
            return self._forward(rows)
        torch.set_num_threads(1)
        try:
            return self._forward(rows)
        finally:
            # A thread that first computes anything takes over the number that was set last, whoever set it.
            torch.set_num_threads(self._threads)
