"""Cross-entropy averaged over the learned tokens of a whole step, however the step is split.

With a mean a forward pass, a short answer's tokens would weigh more when they happen to share a pass with few others.
So passes give sums, and the step divides by the number of learned tokens in all of its passes on all devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gatt.training.masks import IGNORED
from gatt.training.packing import MicroBatch

T = TypeVar("T")


def summed_loss(model: torch.nn.Module, batch: MicroBatch) -> Tensor:
    """Sum of the cross-entropy of the batch's learned tokens, in nats.

    Logits are computed at `batch.keep` alone: with the last answer to learn, a few positions in a hundred.
    """
    logits: Tensor = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
        logits_to_keep=batch.keep,
    ).logits
    learned = batch.targets != IGNORED
    return F.cross_entropy(logits[learned].float(), batch.targets[learned], reduction="sum")


def share(passes: Sequence[T], process: int, processes: int) -> list[tuple[T, bool]]:
    """The forward passes of one process, as many as every other has, each with whether it counts.

    Sharded models (FSDP, ZeRO) hang when one process makes fewer passes than another, so the last one is repeated
    where they do not come out even, and its loss counts for nothing.
    """
    missing = -len(passes) % processes
    evened = [(one, True) for one in passes] + [(passes[-1], False)] * missing
    return evened[process::processes]
