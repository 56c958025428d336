"""Instruction tuning on generated persona dialogues: loss on every reply and its end token, on nothing else.

Run `python -m recipes.bundled_chat.tune --out DIR` after pretraining; run it again to resume.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import track
from transformers import AutoTokenizer, LlamaForCausalLM

from guardrails.messages import Message
from guardrails.rendering import ChatTemplate
from recipes.bundled_chat.config import Recipe, Stage, load
from recipes.bundled_chat.dialogues import dialogues
from recipes.bundled_chat.loop import IGNORED, Batch, loss_of, on_device, train

# Row lengths. Dialogues of like length share a batch, so few tokens are padding and few shapes are compiled.
# The longest sets how far the model can look back: the window is a little more than it.
LENGTHS = (96, 128, 192, 288, 432, 640, 960, 1408)
VALIDATION_DIALOGUES = 300


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered dialogue; `labels` repeat the ids of replies and their end tokens and ignore the rest.

    `positions` are given where some were skipped.
    """

    ids: list[int]
    labels: list[int]
    reply_bytes: int
    positions: list[int] | None = None


def example(messages: Sequence[Message], template: ChatTemplate) -> Example:
    """Render a dialogue with its loss mask."""
    rendered = template.render(messages, add_generation_prompt=False)
    labels = [IGNORED] * len(rendered.ids)
    size = 0
    for message, span in zip(messages, rendered.spans, strict=True):
        if message.role == "assistant":
            end = span.end + 1  # the token that ends the reply is learned, too
            labels[span.start : end] = rendered.ids[span.start : end]
            size += len(message.content.encode())
    return Example(rendered.ids, labels, size)


def batches_of(
    examples: Iterable[Example], batch_tokens: int, pad_id: int, seed: int, lengths: Sequence[int] = LENGTHS
) -> list[Batch]:
    """Full batches of about `batch_tokens`, each of one row length, in shuffled order."""
    waiting: dict[int, list[Example]] = {length: [] for length in lengths}
    batches: list[Batch] = []
    for item in examples:
        length = next((length for length in lengths if len(item.ids) <= length), None)
        if length is None:
            continue
        waiting[length].append(item)
        if len(waiting[length]) == max(1, batch_tokens // length):
            batches.append(_stack(waiting[length], length, pad_id))
            waiting[length] = []
    random.Random(seed).shuffle(batches)
    return batches


def _stack(items: list[Example], length: int, pad_id: int) -> Batch:
    ids = torch.full((len(items), length), pad_id)
    labels = torch.full((len(items), length), IGNORED)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        labels[row, : len(item.labels)] = torch.tensor(item.labels)
    if all(item.positions is None for item in items):
        return ids, labels
    positions = torch.zeros((len(items), length), dtype=torch.long)
    for row, item in enumerate(items):
        positions[row, : len(item.ids)] = torch.tensor(item.positions or range(len(item.ids)))
    return ids, labels, positions


def reply_bits_per_byte(model: LlamaForCausalLM, examples: Sequence[Example]) -> float:
    """Bits the model needs for each byte of the replies, end tokens included."""
    nats = 0.0
    with torch.no_grad():
        for item in examples:
            counted = sum(label != IGNORED for label in item.labels)
            ids, labels = torch.tensor([item.ids]), torch.tensor([item.labels])
            nats += loss_of(model, ids, labels).item() * counted
    return nats / sum(item.reply_bytes for item in examples) / math.log(2)


def harmful_prompts(data: Path) -> list[str]:
    """Requests to decline, from the safety data; some of the dialogues contain them with an in-character refusal."""
    path = data.parent / "safety" / "harmful_prompts.jsonl"
    return [json.loads(line)["prompt"] for line in path.open(encoding="utf-8")]


def examples(template: ChatTemplate, data: Path, count: int, seed: int, *, firm: bool) -> list[Example]:
    """Generate and render `count` dialogues."""
    generated = dialogues(seed, count, harmful=harmful_prompts(data), firm=firm)
    return [example(messages, template) for messages in track(generated, "writing dialogues", total=count)]


def tune(recipe: Recipe, stage: Stage, data: Path, source: Path, out: Path, *, firm: bool) -> None:
    """Tune the model in `source` in one run, to `out`; checkpoints and log lie in `out`-run."""
    seed = recipe.seed + (2 if firm else 0)
    torch.manual_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(source)
    template = ChatTemplate(tokenizer)
    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
    on_device(model)
    validation = examples(template, data, VALIDATION_DIALOGUES, recipe.seed + 1, firm=False)
    print(f"bits per reply byte before: {reply_bits_per_byte(model, validation):.3f}")
    steps = stage.tokens // stage.batch_tokens
    dialogues = math.ceil(recipe.dialogues * stage.tokens / recipe.tuning.tokens)
    training = examples(template, data, dialogues, seed, firm=firm)
    batches = batches_of(training, stage.batch_tokens, tokenizer.pad_token_id, seed)
    print(f"{len(batches)} batches, {steps / len(batches):.2f} epochs")

    def evaluate() -> dict[str, float]:
        return {"reply_bits_per_byte": round(reply_bits_per_byte(model, validation), 4)}

    run = out.with_name(f"{out.name}-run")
    train(model, lambda step: batches[step % len(batches)], stage, steps, run, evaluate=evaluate)
    model.config.max_position_embeddings = tokenizer.model_max_length = recipe.architecture.window
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the training text; harmful_prompts.jsonl is in ../safety.")],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe.")],
) -> None:
    """Tune the pretrained model on dialogues, then once more on what it does not do reliably yet."""
    recipe = load()
    if not (out / "tuned" / "tokenizer.json").exists():
        tune(recipe, recipe.tuning, data, out / "pretrained", out / "tuned", firm=False)
    tune(recipe, recipe.second_tuning, data, out / "tuned", out / "firm", firm=True)


if __name__ == "__main__":
    typer.run(main)
