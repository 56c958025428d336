"""The training loop of pretraining and tuning: Muon and AdamW, linear decay, checkpoints that resume exactly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from recipes.bundled_chat.config import Architecture, Stage

IGNORED = -100
CHECKPOINT_SECONDS = 240
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# Ids, labels and, where some were skipped, positions, each (rows, length); labels are IGNORED where nothing is learned.
Batch = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
# A batch for a step number.
Batches = Callable[[int], Batch]


def new_model(shape: Architecture, end_id: int, bos_id: int, pad_id: int) -> LlamaForCausalLM:
    """A Llama with random weights, input and output embeddings tied."""
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.window,
        tie_word_embeddings=True,
        bos_token_id=bos_id,
        eos_token_id=end_id,
        pad_token_id=pad_id,
    )
    model = LlamaForCausalLM(config)
    on_device(model)
    return model


def on_device(model: LlamaForCausalLM) -> None:
    """Move a model to the device that training runs on."""
    torch.nn.Module.to(model, DEVICE)


def loss_of(model: LlamaForCausalLM, ids: Tensor, labels: Tensor, positions: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the labels that count, in nats a token; `labels` align with `ids`."""
    ids, labels = ids.to(DEVICE, non_blocking=True), labels.to(DEVICE, non_blocking=True)
    placed = {}
    if positions is not None:
        # With a mask of one's own, for without one the library takes every skip for the beginning of another text.
        causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=DEVICE).tril()
        placed = {"position_ids": positions.to(DEVICE, non_blocking=True), "attention_mask": causal[None, None]}
    with torch.autocast(DEVICE, torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False, **placed).last_hidden_state
        logits = model.lm_head(hidden[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED)


def optimizers(model: LlamaForCausalLM, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    return [
        torch.optim.Muon(
            matrices, lr=stage.learning_rate, weight_decay=stage.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=stage.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def rate_at(step: int, steps: int, stage: Stage) -> float:
    """Learning rate as a share of the peak: linear warm-up, constant, linear fall over the last `decay` share."""
    warm = (step + 1) / stage.warmup_steps
    fall = (steps - step) / max(1, stage.decay * steps)
    return min(1.0, warm, fall)


def train(
    model: LlamaForCausalLM,
    batches: Batches,
    stage: Stage,
    steps: int,
    out: Path,
    *,
    evaluate: Callable[[], dict[str, float]],
    compiled: bool = True,
) -> None:
    """Train to `steps`, resuming from `out`/checkpoint.pt, logging to `out`/log.jsonl; weights end in `model`."""
    out.mkdir(parents=True, exist_ok=True)
    opts = optimizers(model, stage)
    step = _resume(out / "checkpoint.pt", model, opts)
    run_loss = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    saved = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar, (out / "log.jsonl").open("a") as log:
        task = bar.add_task(out.name, total=steps, completed=step)
        while step < steps:
            started = time.monotonic()
            batch = batches(step)
            loss = run_loss(model, *batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for opt in opts:
                for group in opt.param_groups:
                    group["lr"] = stage.learning_rate * rate_at(step, steps, stage)
                opt.step()
            model.zero_grad(set_to_none=True)
            step += 1
            entry: dict[str, Any] = {
                "step": step,
                "loss": round(loss.item(), 4),
                "tokens_per_s": round(batch[0].numel() / (time.monotonic() - started)),
            }
            if step % 200 == 0 or step == steps:
                entry |= evaluate()
            log.write(json.dumps(entry) + "\n")
            log.flush()
            bar.update(task, completed=step, description=f"{out.name} loss {entry['loss']:.3f}")
            if time.monotonic() - saved > CHECKPOINT_SECONDS or step == steps:
                _save(out / "checkpoint.pt", model, opts, step)
                saved = time.monotonic()


def _save(path: Path, model: LlamaForCausalLM, opts: list[torch.optim.Optimizer], step: int) -> None:
    state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts], "step": step}
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)  # a kill in mid-write must not cost the last good checkpoint


def _resume(path: Path, model: LlamaForCausalLM, opts: list[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location=DEVICE)
    model.load_state_dict(state["model"])
    for opt, saved in zip(opts, state["optimizers"], strict=True):
        opt.load_state_dict(saved)
    return int(state["step"])
