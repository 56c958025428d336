"""The losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from guardrails.reward.loss import MARGINS, ranking_loss, safety_loss


def test_the_ranking_loss_is_that_of_the_difference_less_the_margin() -> None:
    loss = ranking_loss(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.0]))
    assert loss.tolist() == pytest.approx([math.log(1 + math.exp(-0.5)), math.log(2)])


def test_shapes_must_agree_so_that_no_margin_is_spread_over_all_pairs() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        ranking_loss(torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(3))


def test_the_safety_loss_reads_the_score_as_a_logit() -> None:
    loss = safety_loss(torch.tensor([0.0, 3.0, 3.0]), torch.tensor([1.0, 1.0, 0.0]))
    assert loss.tolist() == pytest.approx([math.log(2), math.log(1 + math.exp(-3)), math.log(1 + math.exp(3))])


def test_the_paper_s_small_margins() -> None:
    assert list(MARGINS.values()) == pytest.approx([1, 2 / 3, 1 / 3, 0])
