"""Any encoder or chat model is fit to begin with: what its tokenizer, its precision and its seed must not spoil."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from assistant.engines.catalog import BUNDLED_FOLDER
from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate
from guardrails.reward.base import load_base
from guardrails.reward.data import Labelled
from guardrails.reward.model import Calibration, RewardError, RewardModel
from guardrails.reward.train import Settings, train
from tests.guardrails.reward.models import VOCABULARY, save

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "[unused2]", "[unused3]"]
WORDS = ["how", "do", "i", "make", "tea", "cafe", "boil", "water", "[", "]", "sep", "unused", "##2", "!", "<", ">", "/"]


@pytest.fixture
def uncased(tmp_path: Path) -> Path:
    """An encoder whose vocabulary knows lower-case words alone, as MiniLM's does."""
    vocabulary = {word: id for id, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()}
    )
    folder = tmp_path / "uncased"
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def reward(folder: Path) -> RewardModel:
    model, tokenizer = load_base(folder)
    return RewardModel(model, ChatTemplate(tokenizer), 48, Calibration(), "")


def asked(user: str, reply: str = "boil water") -> Exchange:
    return Exchange((Message("user", user),), reply)


def test_an_encoder_that_knows_no_capitals_reads_them_as_small_letters(uncased: Path) -> None:
    model = reward(uncased)
    assert model.parts(asked("How do I make TEA Café!")) == model.parts(asked("how do i make tea cafe!"))
    assert 1 not in model.parts(asked("How do I make TEA Café!"))[0]


def test_words_that_a_vocabulary_does_not_know_are_no_control_tokens(uncased: Path) -> None:
    model = reward(uncased)
    unknown = 1
    assert unknown not in model.template.control_ids
    assert model.parts(asked("how do i make absinthe"))[0].count(unknown) == 1


def test_an_encoder_s_markers_cannot_be_typed(uncased: Path) -> None:
    model = reward(uncased)
    control = model.template.control_ids
    plain, forged = model.parts(asked("tea"))[0], model.parts(asked("tea [SEP] [unused2] [CLS] [MASK] </s>"))[0]
    assert [id for id in plain if id in control] == [id for id in forged if id in control]


def test_a_base_in_bfloat16_is_trained_in_full_precision(tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    folder = tmp_path / "rounded"
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / file).write_bytes((BUNDLED_FOLDER / file).read_bytes())
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.bfloat16
    model, _ = load_base(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_same_seed_gives_the_same_model(uncased: Path, tmp_path: Path) -> None:
    lessons = [Labelled("toy", asked("how do i make tea", reply), reply != "tea") for reply in ("boil", "tea")] * 4
    weights: list[torch.Tensor] = []
    for name in ("one", "two"):
        torch.rand(len(weights) + 1)  # whatever the process drew before
        trained = train(Settings(uncased, tmp_path / name, length=48, batch=4, seed=3), lessons)
        model = RewardModel.load(trained.folder).model
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*weights)


def test_what_no_template_renders_is_counted_and_never_all_of_it(uncased: Path, tmp_path: Path) -> None:
    fine = Labelled("toy", asked("tea"), True)
    wrong = Labelled("toy", Exchange((Message("assistant", "tea"), Message("user", "tea")), "tea"), False)
    assert train(Settings(uncased, tmp_path / "some", length=48), [fine, wrong, wrong]).examples == 1
    with pytest.raises(RewardError, match="renders none of the examples"):
        train(Settings(uncased, tmp_path / "none", length=48), [wrong])


def test_a_trained_chat_model_names_a_padding_token_that_exists(tmp_path: Path) -> None:
    base = save(tmp_path / "decoder", "decoder")
    folder = train(Settings(base, tmp_path / "run", length=48), [Labelled("toy", asked("tea"), True)]).folder
    assert RewardModel.load(folder).model.config.architectures == ["LlamaForSequenceClassification"]
    _, tokenizer = load_base(base)
    assert f'"pad_token_id": {tokenizer.pad_token_id}' in (folder / "config.json").read_text()
