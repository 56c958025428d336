"""Rows of one dialogue, read as one tree, are learned as if each were alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from gatt.training.loss import summed_loss
from gatt.training.masks import IGNORED, Encoded
from gatt.training.packing import MicroBatch, join, pad
from gatt.training.sharing import ROOT, Tree, by_dialogue, merge
from tests.gatt.training.test_packing import loss_and_gradient


@pytest.fixture
def model(tiny_model: Path) -> LlamaForCausalLM:
    loaded = LlamaForCausalLM.from_pretrained(tiny_model, dtype=torch.float32, attn_implementation="sdpa")
    assert isinstance(loaded, LlamaForCausalLM)
    return loaded


def learning(ids: list[int], last: int, dialogue_id: str = "") -> Encoded:
    """A row whose last tokens are learned."""
    return Encoded(ids, [IGNORED] * (len(ids) - last) + ids[-last:], 0, dialogue_id)


def numbers(seed: int, length: int) -> list[int]:
    return torch.randint(5, 6000, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def dialogue(seed: int, name: str) -> list[Encoded]:
    """Rows that leave one dialogue at different places; the last two share some of what they learn."""
    path = numbers(seed, 60)
    rows = [learning(path[:at] + numbers(seed + at, 6), 6, name) for at in (9, 20, 41)]
    return [*rows, learning(path, 5, name), learning([*path[:-2], 7, 8, 9], 6, name)]


def test_a_tree_gives_the_loss_and_gradient_of_its_rows_one_by_one(model: LlamaForCausalLM) -> None:
    rows = [*dialogue(1, "a"), *dialogue(2, "b"), learning(numbers(3, 17), 4)]
    alone, expected = loss_and_gradient(model, [pad([row]) for row in rows])
    trees = by_dialogue(rows)
    assert len(trees) == 3
    for batches in ([join(trees)], [join([tree]) for tree in trees]):
        loss, gradient = loss_and_gradient(model, batches)
        assert loss == pytest.approx(alone, rel=1e-5)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_what_rows_share_is_read_once() -> None:
    rows = dialogue(1, "a")
    assert sum(len(row.ids) for row in rows) == 15 + 26 + 47 + 60 + 61
    assert len(merge(rows).ids) == 60 + 6 + 6 + 6 + 3
    assert merge(rows).supervised == sum(row.supervised for row in rows)


def test_without_the_mask_branches_would_see_one_another(model: LlamaForCausalLM) -> None:
    sound = join(by_dialogue(dialogue(1, "a")))
    blind = MicroBatch(sound.ids, sound.positions, sound.keep, sound.targets)
    with torch.no_grad():
        assert summed_loss(model, blind).item() != pytest.approx(summed_loss(model, sound).item(), rel=1e-4)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=6))
def test_every_row_is_a_path_of_the_tree_and_sees_itself_alone(rows: list[list[int]]) -> None:
    tree = merge([learning(ids, 1) for ids in rows])
    seen, places = tree.sees(), tree.positions()
    paths = {tuple(path(tree, token)): token for token in range(len(tree.ids))}
    assert len(paths) == len(tree.ids)
    for ids in rows:
        token = paths[tuple(ids)]
        assert places[token] == len(ids) - 1
        assert int(seen[token].sum()) == len(ids)
        assert [tree.ids[at] for at in seen[token].nonzero().flatten().tolist()] == ids
    # The first token of a row is not predicted from anything.
    assert sorted(tree.learned) == sorted((paths[tuple(ids[:-1])], ids[-1]) for ids in rows if len(ids) > 1)


def path(tree: Tree, token: int) -> list[int]:
    ids = []
    while token != ROOT:
        ids.append(tree.ids[token])
        token = tree.parents[token]
    return ids[::-1]


def test_rows_that_name_no_dialogue_stay_alone() -> None:
    assert len(by_dialogue([learning([1, 2, 3], 1), learning([1, 2, 4], 1)])) == 2
