"""What is trained: every weight, or low-rank adapters on a frozen model (LoRA), or on one held in 4 bits (QLoRA)."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gatt.errors import GattError
from guardrails.errors import first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Of a model's folder, what `save_pretrained` does not write as it was: tokenizer, chat template, generation settings.
COMPANIONS = (
    "tokenizer*",
    "chat_template*",
    "additional_chat_templates",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "generation_config.json",
)
# What the config of a model with layers that are no attention has.
RECURRENT = ("ssm_cfg", "state_size", "mamba_d_state", "mamba_d_conv", "conv_L_cache", "lru_width")


class Method(Enum):
    """How the model is tuned."""

    LORA = "lora"
    QLORA = "qlora"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Adapter:
    """The size of a low-rank adapter. `alpha` / `rank` scales what it adds."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0


def check(method: Method, *, cuda: bool) -> None:
    """Refuse what this machine cannot run, before anything is loaded."""
    if method is Method.QLORA and not cuda:
        raise GattError("qlora needs a CUDA GPU: use --method lora here")
    if method is Method.QLORA and importlib.util.find_spec("bitsandbytes") is None:
        raise GattError("qlora needs bitsandbytes: pip install bitsandbytes, or use --method lora")


def window(folder: Path) -> int:
    """How many tokens the model reads at once, from its config.json.

    Raises:
        GattError: it does not say.
    """
    for part in _configs(folder):
        for name in ("max_position_embeddings", "n_positions", "max_sequence_length"):
            if isinstance(part.get(name), int):
                return int(part[name])
    raise GattError(f"{folder / 'config.json'} does not say how long the window is: give --length")


def check_layers(folder: Path, *, packed: bool, shared: bool, length: int) -> None:
    """Refuse ways to lay rows side by side that the model's layers do not keep apart.

    Raises:
        GattError: recurrent layers read what is packed or shared as one row; for shared rows, the mask of the tree
            would take the place of a sliding window's.
    """
    for part in _configs(folder):
        kinds = {*(part.get("layer_types") or ()), *(name for name in RECURRENT if part.get(name))}
        recurrent = kinds - {"full_attention", "sliding_attention", "chunked_attention"}
        if recurrent and (packed or shared):
            raise GattError(f"{folder} has layers without attention ({min(recurrent)}): --no-sharing --no-packing")
        window = part.get("sliding_window") if part.get("use_sliding_window", True) else None
        if shared and (kinds - {"full_attention"} or (window or length) < length):
            raise GattError(f"{folder} has layers with a sliding window, so rows cannot share it: give --no-sharing")


def load(folder: Path, method: Method, adapter: Adapter, *, bf16: bool, recompute: bool) -> Any:
    """The model to train, its trainable weights in float32.

    A frozen base is held in bfloat16 under `bf16`, so that it is not cast anew in every pass. `recompute` trades
    time for memory: activations are computed again in the backward pass.
    """
    frozen = torch.bfloat16 if bf16 and method is not Method.FULL else torch.float32
    model = _pretrained(folder, frozen, quantized=method is Method.QLORA)
    model.config.use_cache = False
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if method is Method.FULL:
        return model
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if method is Method.QLORA:
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=recompute, gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    elif recompute:
        model.enable_input_require_grads()
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def trained_names(model: torch.nn.Module) -> frozenset[str]:
    """Names of the weights that training changes; of weights tied to one another, one."""
    return frozenset(name for name, weight in model.named_parameters() if weight.requires_grad)


def write_outputs(folder: Path, method: Method, adapter: Adapter, trained: dict[str, torch.Tensor], out: Path) -> None:
    """Write `out`/model, a folder to chat with, and with an adapter `out`/adapter.

    The model is put together in float32 from the original weights and stored in the precision that those have.
    """
    model = load(folder, Method.FULL if method is Method.FULL else Method.LORA, adapter, bf16=False, recompute=False)
    unknown = model.load_state_dict(trained, strict=False).unexpected_keys
    if unknown:
        raise GattError(f"the trained weights do not belong to {folder}: it has no {unknown[0]}")
    if method is not Method.FULL:
        with _Fresh(out / "adapter") as part:
            model.save_pretrained(part)
            (part / "README.md").unlink(missing_ok=True)  # peft's empty form; the run's card says it all
        model = model.merge_and_unload()
    model.config.use_cache = True
    with _Fresh(out / "model") as part:
        model.to(_stored_dtype(folder)).save_pretrained(part)
        for pattern in COMPANIONS:
            for file in folder.glob(pattern):
                if file.is_dir():
                    shutil.copytree(file, part / file.name)
                else:
                    shutil.copyfile(file, part / file.name)


class _Fresh:
    """A folder that is filled under another name and takes its own, in place of an older one, once complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._part = folder.with_name(f"{folder.name}.part")

    def __enter__(self) -> Path:
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir(parents=True)
        return self._part

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self._part, ignore_errors=True)
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._part.replace(self._folder)


def _pretrained(folder: Path, dtype: torch.dtype, *, quantized: bool) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging

    options: dict[str, Any] = {}
    if quantized:
        options["device_map"] = {"": torch.cuda.current_device()}  # of several processes, each has its own
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    logging.disable_progress_bar()
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa", local_files_only=True, **options
        )
    except Exception as error:  # a truncated download fails in many ways, all of them the folder's fault
        raise GattError(f"the model in {folder} cannot be loaded: {first_line(error)}") from error
    return model


def _configs(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's config.json, and its part for text, where it has one."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        return config, config.get("text_config") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise GattError(f"{folder / 'config.json'} cannot be read: is {folder} a model's folder?") from error


def _stored_dtype(folder: Path) -> torch.dtype:
    config, _ = _configs(folder)
    named = getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float32"), None)
    return named if isinstance(named, torch.dtype) else torch.float32
