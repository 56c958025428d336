"""Round a trained model to bfloat16: half the size, and the next to same scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging


class TooLargeError(Exception):
    """The model does not fit into the package."""


def export(model: Path, target: Path, limit_mb: float) -> None:
    """Write the rounded model, its tokenizer and its template. Raises TooLargeError."""
    logging.disable_progress_bar()
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    rounded = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.bfloat16, local_files_only=True)
    rounded.save_pretrained(part)
    AutoTokenizer.from_pretrained(model, local_files_only=True).save_pretrained(part)
    if (size := size_mb(part)) > limit_mb:
        raise TooLargeError(f"{target} takes {size:.1f} MB; the package may carry {limit_mb:g}")
    part.rename(target)


def size_mb(folder: Path) -> float:
    """Of all files, in millions of bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
