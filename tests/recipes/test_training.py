from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.messages import Message
from recipes.bundled_chat import corpus, loop, tune
from recipes.bundled_chat.config import Architecture, Stage, load
from tests.scripted_engine import bundled_template

END = "<|end|>"
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(system=text, turns=st.lists(st.tuples(text, text), min_size=1, max_size=4))
def test_exactly_the_replies_and_their_end_tokens_are_learned(system: str, turns: list[tuple[str, str]]) -> None:
    chat = [Message("system", system)]
    for question, reply in turns:
        chat += [Message("user", question), Message("assistant", reply)]
    template = bundled_template()
    made = tune.example(chat, template)
    learned = [label for label in made.labels if label != loop.IGNORED]
    expected: list[int] = []
    (end,) = template.stop_ids
    for _, reply in turns:
        expected += [*template.encode(reply), end]
    assert learned == expected
    assert all(label in (loop.IGNORED, i) for label, i in zip(made.labels, made.ids, strict=True))


def test_batches_hold_whole_examples_of_like_length_and_pad_with_nothing_to_learn() -> None:
    made = [tune.Example([7] * n, [7] * n, n) for n in (100, 120, 128, 129, 180, 2000)]
    batches = tune.batches_of(made * 8, 8 * 128, pad_id=0, seed=1)
    assert {tuple(batch[0].shape) for batch in batches} == {(8, 128), (5, 192)}
    for batch in batches:
        assert len(batch) == 2  # no positions, where none are skipped
        ids, labels = batch
        assert torch.equal(labels == loop.IGNORED, ids == 0)


def test_a_chat_of_the_corpus_alternates_and_ends_with_a_reply() -> None:
    turns = [["assistant", "early"], ["user", "a"], ["user", "b"], ["assistant", "c"], ["user", "[Your name]"]]
    assert corpus.chat(turns) == [Message("user", "a b"), Message("assistant", "c")]


def test_validation_is_decided_by_the_text_alone() -> None:
    documents = [f"document {n}" for n in range(5000)]
    held_out = [d for d in documents if corpus.is_validation(d)]
    assert 20 < len(held_out) < 90
    assert held_out == [d for d in reversed(documents) if corpus.is_validation(d)][::-1]


def test_the_shipped_recipe_is_valid() -> None:
    recipe = load()
    assert recipe.architecture.width % recipe.architecture.heads == 0
    assert max(tune.LENGTHS) <= recipe.architecture.window


SHAPE = Architecture(vocabulary=64, width=16, layers=2, heads=2, feed_forward=32, window=64)
STAGE = Stage(tokens=0, batch_tokens=64, learning_rate=1e-2, warmup_steps=2, decay=0.5)


def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(0, 64, (4, 16), generator=torch.Generator().manual_seed(step))
    return ids, ids


def run(out: Path, *stops: int) -> torch.Tensor:
    """Train to 8 steps in as many runs as there are `stops`, each a fresh model that resumes."""
    for stop in stops:
        torch.manual_seed(0)
        model = loop.new_model(SHAPE, end_id=2, bos_id=1, pad_id=0)

        def interrupted(step: int, stop: int = stop) -> tuple[torch.Tensor, torch.Tensor]:
            if step == stop:
                raise KeyboardInterrupt
            return batches(step)

        try:
            loop.train(model, interrupted, STAGE, 8, out, evaluate=dict, compiled=False)
        except KeyboardInterrupt:
            continue
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    whole = run(tmp_path / "whole", 99)
    parts = run(tmp_path / "parts", 3, 5, 99)
    assert torch.equal(whole, parts)
