"""What the machine computes quickly."""

from __future__ import annotations


def multiplies_bf16() -> bool:
    """Whether the GPU, or without one the processor, multiplies in bfloat16."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return processor_multiplies_bf16()


def processor_multiplies_bf16() -> bool:
    """Whether the processor does, GPU or not."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
