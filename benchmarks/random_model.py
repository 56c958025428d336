"""A model of nine times the bundled one's size, to measure engines with: its weights are random, its words nonsense.

python -m benchmarks.random_model DIR, then `python -m benchmarks.engines --model DIR`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from assistant.engines.catalog import BUNDLED_FOLDER

SMOLLM_135M: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "max_position_embeddings": 2048,
}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def save(folder: Path) -> int:
    """SmolLM-135M's shape with the bundled model's vocabulary and template, in bfloat16; how many parameters it has."""
    config = LlamaConfig.from_pretrained(BUNDLED_FOLDER)
    config.update(SMOLLM_135M)
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(config).bfloat16()
    model.save_pretrained(folder)
    for name in BESIDE:
        shutil.copy(BUNDLED_FOLDER / name, folder)
    return int(model.num_parameters())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the folder to write the model to: python -m benchmarks.random_model DIR")
    print(f"{save(Path(sys.argv[1])) / 1e6:.1f} million parameters in {sys.argv[1]}")
