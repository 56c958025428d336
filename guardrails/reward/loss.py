"""What the reward model learns from: pairs by rank, single replies by their label.

Llama 2, section 3.2.2: the ranking loss with a margin (equation 2), and an auxiliary loss on whether a reply is safe,
which raised the recall of unsafe replies from 73 to 90 % there (appendix A.3.3).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# Table 27, small margins, by how clearly one reply is the better.
MARGINS = {"significantly": 1.0, "better": 2 / 3, "slightly": 1 / 3, "negligibly": 0.0}


def ranking_loss(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    """-log sigmoid(chosen - rejected - margin), one value for each pair; all arguments have the shape (pairs,)."""
    if not chosen.shape == rejected.shape == margin.shape:
        raise ValueError(f"shapes differ: {chosen.shape}, {rejected.shape}, {margin.shape}")
    return -F.logsigmoid(chosen - rejected - margin)


def safety_loss(scores: Tensor, safe: Tensor) -> Tensor:
    """Binary cross-entropy of the score as the logit of "safe", one value for each reply; shapes (replies,)."""
    return F.binary_cross_entropy_with_logits(scores, safe, reduction="none")
