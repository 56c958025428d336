"""The baseline: a model that learns the small world from random weights, with instructions in short dialogues alone.

`python -m recipes.gatt_demo.run` trains it as its first stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from guardrails.messages import Message
from guardrails.rendering import ChatTemplate
from recipes.bundled_chat.config import Architecture, Stage
from recipes.bundled_chat.loop import new_model, train
from recipes.bundled_chat.tokenizer import fast_tokenizer
from recipes.bundled_chat.tune import batches_of, example, reply_bits_per_byte
from recipes.gatt_demo.world import World

VALIDATION = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How large the baseline is and how long it learns.

    `dialogues` are generated once and repeated; those without an instruction have up to `longest` turns.
    """

    shape: Architecture
    stage: Stage
    dialogues: int
    longest: int


DEMO = Size(
    shape=Architecture(vocabulary=2560, width=128, layers=4, heads=4, feed_forward=384, window=1024),
    stage=Stage(tokens=4_000_000, batch_tokens=4096, learning_rate=4e-3, warmup_steps=20, decay=0.5),
    dialogues=30_000,
    longest=42,
)


def tokenizer_of(chats: list[list[Message]], shape: Architecture) -> PreTrainedTokenizerFast:
    """A tokenizer for the world's own words."""
    return fast_tokenizer((m.content for chat in chats for m in chat), shape.vocabulary, shape.window)


def train_base(world: World, size: Size, out: Path, seed: int) -> None:
    """Train, and write the model to `out`/base; a run that was cut short goes on."""
    chats = list(world.dialogues(size.dialogues, seed, size.longest))
    tokenizer = tokenizer_of(chats, size.shape)
    template = ChatTemplate(tokenizer)
    batches = batches_of(
        (example(chat, template) for chat in chats), size.stage.batch_tokens, tokenizer.pad_token_id, seed
    )
    unseen = [example(chat, template) for chat in world.dialogues(VALIDATION, seed + 1, size.longest)]
    (end_id,) = template.stop_ids
    torch.manual_seed(seed)
    model = new_model(size.shape, end_id, tokenizer.bos_token_id, tokenizer.pad_token_id)

    def evaluate() -> dict[str, float]:
        return {"reply_bits_per_byte": round(reply_bits_per_byte(model, unseen), 4)}

    train(
        model,
        lambda step: batches[step % len(batches)],
        size.stage,
        size.stage.tokens // size.stage.batch_tokens,
        out / "base-training",
        evaluate=evaluate,
        compiled=False,
    )
    model.save_pretrained(out / "base")
    tokenizer.save_pretrained(out / "base")
