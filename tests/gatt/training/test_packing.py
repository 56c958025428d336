"""However rows are put together, they are learned as if each were alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from gatt.training.loss import share, summed_loss
from gatt.training.masks import IGNORED, Encoded
from gatt.training.packing import PADDING, MicroBatch, micro_batches, pack, pad, steps


def rows() -> list[Encoded]:
    """Rows of different lengths; one has labels in the middle, as with all turns, and one ends with id 0."""
    made = []
    for length, supervised in ((9, range(6, 9)), (23, [4, 5, 6, 20, 21, 22]), (14, range(10, 14))):
        ids = torch.randint(5, 6000, (length,), generator=torch.Generator().manual_seed(length)).tolist()
        made.append(Encoded(ids, [one if at in supervised else IGNORED for at, one in enumerate(ids)], 0))
    made[2].ids[-1] = made[2].labels[-1] = PADDING
    return made


@pytest.fixture
def model(tiny_model: Path) -> LlamaForCausalLM:
    loaded = LlamaForCausalLM.from_pretrained(tiny_model, dtype=torch.float32, attn_implementation="sdpa")
    assert isinstance(loaded, LlamaForCausalLM)
    return loaded


def loss_and_gradient(model: LlamaForCausalLM, batches: list[MicroBatch]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    losses = [summed_loss(model, batch) for batch in batches]
    for loss in losses:
        loss.backward()
    gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    return sum(loss.item() for loss in losses), torch.cat(gradients)


def test_packed_and_padded_give_the_loss_and_gradient_of_rows_one_by_one(model: LlamaForCausalLM) -> None:
    # One by one by the plain road: the model's own labels and shift, no choice of positions, no packing.
    expected = torch.zeros(())
    for row in rows():
        logits = model(input_ids=torch.tensor([row.ids])).logits[0]
        for at, label in enumerate(row.labels):
            if label != IGNORED:
                expected = expected - logits[at - 1].log_softmax(-1)[label]
    model.zero_grad()
    expected.backward()
    gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    for join in (pad, pack):
        loss, found = loss_and_gradient(model, [join(rows())])
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-5)


def test_packing_without_restarted_positions_would_be_seen(model: LlamaForCausalLM) -> None:
    sound = pack(rows())
    joined = MicroBatch(sound.ids, torch.arange(sound.ids.shape[1])[None], sound.keep, sound.targets)
    alone, _ = loss_and_gradient(model, [sound])
    assert loss_and_gradient(model, [joined])[0] != pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize("join", [pad, pack])
def test_every_label_is_predicted_once_from_the_position_before_it(join: object) -> None:
    assert callable(join)
    batch = join(rows())
    predicted = sorted(
        (int(batch.ids[line, at]), int(batch.targets[line, column]))
        for line in range(len(batch.ids))
        for column, at in enumerate(batch.keep)
        if batch.targets[line, column] != IGNORED
    )
    expected = sorted(
        (row.ids[at - 1], label) for row in rows() for at, label in enumerate(row.labels) if label != IGNORED
    )
    assert predicted == expected
    assert batch.learned == sum(row.supervised for row in rows())


def test_a_real_end_token_that_equals_the_padding_is_learned() -> None:
    targets = pad(rows()).targets
    assert PADDING in targets[2]
    assert PADDING not in targets[0]


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    batch_tokens=st.integers(1, 200),
    micro_tokens=st.integers(1, 100),
    packed=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_each_row_is_in_one_pass_of_one_step_and_passes_keep_to_their_size(
    lengths: list[int], batch_tokens: int, micro_tokens: int, packed: bool, epoch: int
) -> None:
    plan = steps(lengths, batch_tokens=batch_tokens, seed=1, epoch=epoch)
    assert plan == steps(lengths, batch_tokens=batch_tokens, seed=1, epoch=epoch)
    assert sorted(row for step in plan for row in step) == list(range(len(lengths)))
    for step in plan:
        assert len(step) == 1 or sum(lengths[row] for row in step) <= batch_tokens
        passes = micro_batches(step, lengths, micro_tokens=micro_tokens, packed=packed)
        assert sorted(row for one in passes for row in one) == sorted(step)
        for one in passes:
            sizes = [lengths[row] for row in one]
            assert len(one) == 1 or (sum(sizes) if packed else max(sizes) * len(sizes)) <= micro_tokens


def test_epochs_differ_in_order() -> None:
    lengths = [10] * 50
    first, second = (steps(lengths, batch_tokens=100, seed=0, epoch=epoch) for epoch in (0, 1))
    assert first != second


@pytest.mark.parametrize("micro_tokens", [1, 25, 46, 100])
def test_the_loss_of_a_step_does_not_depend_on_how_it_is_split(model: LlamaForCausalLM, micro_tokens: int) -> None:
    whole = loss_and_gradient(model, [pad(rows())])
    groups = micro_batches(range(3), [len(row.ids) for row in rows()], micro_tokens=micro_tokens, packed=False)
    parts = loss_and_gradient(model, [pad([rows()[row] for row in group]) for group in groups])
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(passes=st.lists(st.integers(), min_size=1, max_size=20, unique=True), processes=st.integers(1, 8))
def test_processes_make_equally_many_passes_and_each_counts_once(passes: list[int], processes: int) -> None:
    shares = [share(passes, process, processes) for process in range(processes)]
    assert len({len(one) for one in shares}) == 1
    assert sorted(one for some in shares for one, counts in some if counts) == sorted(passes)
