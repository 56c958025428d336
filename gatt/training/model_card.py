"""The README.md of a tuned model: what it was made from and how, what was measured, and what was not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatt.training.checkpoints import Progress

NOT_MEASURED = (
    "Only the loss was measured. Whether instructions are kept over many turns, and what the tuning cost in general "
    "quality, was not: `gatt eval` measures both."
)


@dataclass(frozen=True, slots=True)
class Made:
    """What a model was made from and how. `described` has the settings and the hashes of `data` and `model`."""

    model: Path
    data: Path
    described: dict[str, Any]
    steps: int
    stopped_early: bool


def write_card(out: Path, made: Made, rows: dict[str, Any], progress: Progress, processes: int) -> None:
    """Write `out`/README.md."""
    settings = made.described
    learned = (
        "Learned are all answers, each with its"
        if settings["loss"] == "all-turns"
        else "Learned is the last answer of each row with its"
    )
    dropped = [f"| {reason} | {count} |" for reason, count in rows["dropped_by_reason"].items()] or ["| none | 0 |"]
    turns = [f"| {n} | {counts['kept']} | {counts['dropped']} |" for n, counts in rows["rows_by_turns"].items()]
    told = [
        f"| {name} | {value} |"
        for name, value in settings.items()
        if name not in ("data", "model") and value is not None
    ]
    at = progress.best_step if progress.best_loss is not None else progress.step
    shortened = rows["rows_that_lost_their_oldest_exchanges"]
    newline = "\n"
    text = f"""---
base_model: {made.model.resolve().name}
pipeline_tag: text-generation
tags:
- ghost-attention
---

# {made.model.resolve().name}, tuned by Ghost Attention

Made by `gatt train`: an instruction given once is to hold for the whole dialogue (Llama 2, section 3.3).
{learned} stop token, and nothing else. The licences of the base model
and of the data hold for it too.

| made from | |
|---|---|
| base model | {made.model} |
| its weights, SHA-256 | `{settings["model"]}` |
| data | {made.data} |
| its rows, SHA-256 | `{settings["data"]}` |
| its manifest, SHA-256 | {_manifest_hash(made.data)} |
| method | {settings["method"]} |

## Figures

| measure | value |
|---|---|
| optimizer steps | {progress.step} of {made.steps}{", stopped early" if made.stopped_early else ""} |
| rows trained on | {rows["training_rows"]:,} |
| dialogues rehearsed beside them, all answers | {rows["rehearsed_dialogues"]:,} |
| learned tokens in them | {rows["supervised_training_tokens"]:,} |
| learned tokens, repetitions counted | {progress.learned_tokens:,} |
| rows held out | {rows["validation_rows"]:,} |
| lowest held-out loss, nats a learned token | {_loss(progress.best_loss)} |
| at step (these are the weights) | {at} |
| last held-out loss | {_loss(progress.validation_loss)} |
| time in steps and validations | {progress.seconds / 60:.1f} min, {processes} process{"es" if processes > 1 else ""} |

![Loss by step](loss.svg)

{NOT_MEASURED}

## Rows

Dropped: {rows["dropped_rows"]:,}. Shortened, by their oldest exchanges: {shortened:,}.

| reason for dropping | rows |
|---|---|
{newline.join(dropped)}

| turns | kept | dropped |
|---|---|---|
{newline.join(turns)}

## Settings

| setting | value |
|---|---|
{newline.join(told)}
"""
    (out / "README.md").write_text(text, "utf-8")


def weights_hash(model: Path) -> str:
    """SHA-256 over the hashes of a model folder's weight files, by name; of one file, its own hash."""
    hashes = []
    for file in sorted(model.glob("*.safetensors")):
        with file.open("rb") as stream:
            hashes.append(hashlib.file_digest(stream, "sha256"))
    if len(hashes) == 1:
        return hashes[0].hexdigest()
    return hashlib.sha256(b"".join(one.digest() for one in hashes)).hexdigest()


def _manifest_hash(data: Path) -> str:
    file = data / "manifest.json"
    return f"`{hashlib.sha256(file.read_bytes()).hexdigest()}`" if file.is_file() else "it has none"


def _loss(value: float | None) -> str:
    return "not measured: no row was held out" if value is None else f"{value:.4f}"
