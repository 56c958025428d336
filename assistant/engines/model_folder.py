"""What a Hugging Face model folder says of itself, read without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def problem(folder: Path) -> str:
    """Why a folder cannot be served as a chat model, with the fix; empty when it can."""
    config = read(folder / "config.json")
    if not config:
        return "no readable config.json: give a Hugging Face model folder"
    names = config.get("architectures") or ["unknown"]
    if not any(str(name).endswith("ForCausalLM") for name in names):
        return f"{names[0]} is not a text-generating model (ForCausalLM)"
    if not any(folder.glob("*.safetensors")):
        return "no *.safetensors weights: the download is incomplete, or the weights have an older format"
    if not (folder / "tokenizer.json").exists():
        return "no tokenizer.json: save the tokenizer as a fast tokenizer"
    if not (folder / "chat_template.jinja").exists() and not read(folder / "tokenizer_config.json").get(
        "chat_template"
    ):
        return "no chat template: this is a base model; use its instruct or chat version"
    return ""


def size(folder: Path) -> str:
    """How much its weights take."""
    megabytes = sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 1e6
    return f"{megabytes:,.0f} MB of weights"


def quantization(folder: Path) -> str | None:
    """How its weights are quantised; None where they are not."""
    config = read(folder / "config.json").get("quantization_config")
    if not isinstance(config, dict):
        return None
    return str(config.get("quant_method") or "unknown")


def end_ids(folder: Path) -> frozenset[int]:
    """Ids that end a text, by its generation settings, else its configuration."""
    for name in ("generation_config.json", "config.json"):
        value = read(folder / name).get("eos_token_id")
        if value is not None:
            return frozenset([value]) if isinstance(value, int) else frozenset(value)
    return frozenset()


def adapter_base(folder: Path) -> str | None:
    """The model that a LoRA adapter in this folder was trained on, as peft wrote it; None where there is no adapter."""
    config = read(folder / "adapter_config.json")
    if config.get("peft_type") != "LORA" or not (folder / "adapter_model.safetensors").is_file():
        return None
    return str(config.get("base_model_name_or_path") or "")


def adapter_rank(folder: Path) -> int:
    """The highest rank in a LoRA adapter."""
    config = read(folder / "adapter_config.json")
    return max(int(config.get("r") or 8), *map(int, (config.get("rank_pattern") or {}).values()), 1)


def read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file has none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
