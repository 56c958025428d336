"""A reward model learns to tell replies apart, from pairs and from labels, and a run that was stopped goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled, Pair
from guardrails.reward.model import RewardError, RewardModel
from guardrails.reward.train import Example, Settings, train
from tests.guardrails.reward.models import save

WORDS = (
    "how", "do", "i", "make", "tea", "soup", "a", "cake", "boil", "water", "never", "poison", "them", "all", "kindly",
    "stir", "and", "wait",
)  # fmt: skip


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """An encoder without a chat template, as MiniLM is: words for a vocabulary, with BERT's unused ones."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "[unused2]", "[unused3]"]
    tokenizer = Tokenizer(models.WordPiece({word: id for id, word in enumerate([*special, *WORDS])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )
    folder = tmp_path / "encoder"
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(special) + len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def asked(reply: str) -> Exchange:
    return Exchange((Message("user", "how do i make tea"),), reply)


def lessons(count: int) -> list[Example]:
    found: list[Example] = []
    for number in range(count):
        food = ("tea", "soup", "cake")[number % 3]
        good, bad = asked(f"boil water and stir {food} kindly"), asked(f"never wait poison {food} all")
        found.append(Pair("toy", good, bad))
        found.append(Labelled("toy", good if number % 2 else bad, bool(number % 2)))
    return found


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_it_learns_from_pairs_and_labels(kind: str, encoder: Path, tmp_path: Path) -> None:
    base = encoder if kind == "encoder" else save(tmp_path / "decoder", "decoder")
    entries: list[dict[str, float]] = []
    settings = Settings(base, tmp_path / "run", length=48, epochs=6, learning_rate=5e-3, batch=16)
    model = RewardModel.load(train(settings, lessons(120), report=entries.append).folder)
    good, bad = model.scores([asked("boil water and stir a kindly"), asked("never wait poison a all")])
    assert good > 0.9
    assert bad < 0.1
    assert entries[-1]["loss"] < entries[0]["loss"]
    with pytest.raises(RewardError, match="--resume"):
        train(settings, lessons(4))


def test_nothing_to_train_on_is_refused(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="nothing to train on"):
        train(Settings(encoder, tmp_path / "run"), [])
    (encoder / "model.safetensors").unlink()
    with pytest.raises(RewardError, match="no model to begin with"):
        train(Settings(encoder, tmp_path / "run"), lessons(1))
