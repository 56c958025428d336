"""Tiny reward models with random weights, an encoder and a decoder, saved as folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from assistant.engines.catalog import BUNDLED_FOLDER

LENGTH = 128
VOCABULARY: int = AutoConfig.from_pretrained(BUNDLED_FOLDER).vocab_size


def save(folder: Path, kind: str, *, labels: int = 1, seed: int = 0, hidden_size: int = 32) -> Path:
    """A model of the `kind` "encoder", "roberta" or "decoder" on the bundled tokenizer and template."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden_size,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": LENGTH,
        "num_labels": labels,
        "initializer_range": 0.3,
    }
    model: Any
    if kind == "encoder":
        model = BertForSequenceClassification(BertConfig(**shape, hidden_dropout_prob=0.0))
    elif kind == "roberta":
        # Its positions begin after that of padding: two more than the tokens it reads.
        model = RobertaForSequenceClassification(
            RobertaConfig(**shape | {"max_position_embeddings": LENGTH + 2}, hidden_dropout_prob=0.0, pad_token_id=1)
        )
        model.config.exchange_tokens = LENGTH
    else:
        model = LlamaForSequenceClassification(LlamaConfig(**shape))
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(BUNDLED_FOLDER / file, folder)
    return folder
