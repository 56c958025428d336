"""What is said of the bundled model, once a command that uses it."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path


def demo_line(folder: Path) -> str:
    """What the model in `folder` can do, and how to get a better one."""
    return (
        f"Demonstration model{_size(folder)}: fluent in small talk and simple topics, not a source of facts. "
        "For a real model: assistant chat --model PATH (any local Hugging Face chat model folder)"
    )


def _size(folder: Path) -> str:
    parameters = sum(_parameters(file) for file in folder.glob("*.safetensors"))
    return f", {parameters / 1e6:.0f}M parameters" if parameters else ""


def _parameters(file: Path) -> int:
    """How many numbers a safetensors file holds, by its header."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
