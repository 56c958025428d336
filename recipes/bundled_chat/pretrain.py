"""Pretraining on open text: next-token prediction over packed documents.

Run `python -m recipes.bundled_chat.pretrain --out DIR` after the corpus is built; run it again to resume.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from recipes.bundled_chat.config import load
from recipes.bundled_chat.loop import loss_of, new_model, train


def bits_per_byte(model: LlamaForCausalLM, folder: Path, length: int) -> float:
    """Of the held-out split in `folder`: bits the model needs for each byte of text, control tokens included."""
    ids = torch.from_numpy(np.fromfile(folder / "validation.bin", dtype=np.uint16).astype(np.int64))
    size: int = json.loads((folder / "sizes.json").read_text())["validation_bytes"]
    rows = ids[: len(ids) // length * length].view(-1, length)
    with torch.no_grad():
        losses = [loss_of(model, part, part).item() * part.shape[0] for part in rows.split(16)]
    nats_per_token = sum(losses) / len(rows)
    return float(nats_per_token * len(ids) / size / math.log(2))


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Pretrain the bundled chat model."""
    recipe = load()
    stage = recipe.pretraining
    torch.manual_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(out / "tokenizer")
    model = new_model(recipe.architecture, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters")
    print(f"bits per byte before: {bits_per_byte(model, out / 'corpus', stage.length):.3f}")
    ids = torch.from_numpy(np.fromfile(out / "corpus" / "train.bin", dtype=np.uint16).astype(np.int64))
    rows = stage.batch_tokens // stage.length

    def batches(step: int) -> tuple[Tensor, Tensor]:
        # A fresh order every epoch, a function of the step alone, so a resumed run sees what it would have seen.
        windows = len(ids) // stage.length
        epoch, start = divmod(step * rows, windows)
        order = np.random.default_rng(recipe.seed + epoch).permutation(windows)
        chosen = np.resize(order[start : start + rows], rows)
        batch = torch.stack([ids[w * stage.length : (w + 1) * stage.length] for w in chosen])
        return batch, batch

    def evaluate() -> dict[str, float]:
        return {"bits_per_byte": round(bits_per_byte(model, out / "corpus", stage.length), 4)}

    train(model, batches, stage, stage.tokens // stage.batch_tokens, out / "pretraining", evaluate=evaluate)
    model.save_pretrained(out / "pretrained")
    tokenizer.save_pretrained(out / "pretrained")


if __name__ == "__main__":
    typer.run(main)
