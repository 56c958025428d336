"""Loading a reward model that ships with the product without torch's compiler, as the chat model beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from guardrails.without_compiler import without_compiler


def load_bundled(folder: Path) -> Any:
    """The classifier in `folder`, an encoder like BERT or a Llama, whose weights are one safetensors file."""
    with without_compiler():
        from safetensors.torch import load_file
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        state = load_file(folder / "model.safetensors")
        kind: Any
        if config.model_type == "llama":
            from transformers import LlamaForSequenceClassification as kind  # noqa: N813
        else:
            from transformers import BertForSequenceClassification as kind  # noqa: N813
        model: Any = kind(config)
        model.load_state_dict(state)
        return model.to(dtype=torch.float32)
