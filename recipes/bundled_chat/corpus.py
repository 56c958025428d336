"""Open text for pretraining: read, clean, split into train and validation, encode.

Run `python -m recipes.bundled_chat.corpus --data DIR --out DIR` after the tokenizer is made.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from guardrails.messages import Message
from guardrails.rendering import ChatTemplate
from recipes.bundled_chat.config import Recipe, Source, load

PLACEHOLDER = re.compile(r"\[(User|Your|My|Name|Insert)[^\]]*\]|_{4,}|https?://")
# One document in a hundred measures bits per byte and is never trained on (the tokenizer's merges saw it).
VALIDATION_SHARE = 100

Document = str | list[Message]


def rows(data: Path, source: Source) -> Iterator[Document]:
    """Documents of one source in file order: plain text, or a chat that starts with the user."""
    with lzma.open(data / f"{source.file}.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["src"] != source.src:
                continue
            document = row["text"].strip() if "text" in row else chat(row["turns"])
            if document:
                yield document


def chat(turns: list[list[str]]) -> list[Message]:
    """Turns as messages: same-speaker runs joined, cut before the first unusable message. May be empty."""
    messages: list[Message] = []
    for role, text in turns:
        text = " ".join(text.split(" ")).strip()
        if role not in ("user", "assistant") or not text or PLACEHOLDER.search(text):
            break
        if messages and messages[-1].role == role:
            messages[-1] = Message(messages[-1].role, f"{messages[-1].content} {text}")
        elif messages or role == "user":
            messages.append(Message("user" if role == "user" else "assistant", text))
    if messages and messages[-1].role == "user":
        messages.pop()
    return messages


def text_of(document: Document) -> str:
    """All text of a document, for tokenizer training and for counting bytes."""
    return document if isinstance(document, str) else "\n".join(m.content for m in document)


def is_validation(document: Document) -> bool:
    """Decided by the text itself, so that copies of one document never stand on both sides."""
    digest = hashlib.sha256(text_of(document).encode()).digest()
    return int.from_bytes(digest[:4], "big") % VALIDATION_SHARE == 0


def encode(document: Document, template: ChatTemplate, end_id: int) -> list[int]:
    """Token ids of one document, closed by the end token."""
    if isinstance(document, str):
        return [*template.encode(document), end_id]
    return template.render(document, add_generation_prompt=False).ids


def build(recipe: Recipe, data: Path, template: ChatTemplate, end_id: int, out: Path) -> dict[str, int]:
    """Write train.bin and validation.bin (uint16 ids) and sizes.json; returns token counts by source."""
    documents: list[list[int]] = []
    validation: list[int] = []
    validation_bytes = 0
    counts: dict[str, int] = {}
    for source in track(recipe.sources, "encoding sources"):
        found = list(rows(data, source))
        random.Random(recipe.seed).shuffle(found)
        taken = 0
        for document in found:
            if is_validation(document):
                validation.extend(encode(document, template, end_id))
                validation_bytes += len(text_of(document).encode())
                continue
            if taken >= source.tokens:
                continue
            ids = encode(document, template, end_id)
            taken += len(ids)
            documents.append(ids)
        counts[source.src] = taken
    random.Random(recipe.seed).shuffle(documents)
    out.mkdir(parents=True, exist_ok=True)
    np.array([i for ids in documents for i in ids], dtype=np.uint16).tofile(out / "train.bin")
    np.array(validation, dtype=np.uint16).tofile(out / "validation.bin")
    sizes = {"train": counts, "validation_tokens": len(validation), "validation_bytes": validation_bytes}
    (out / "sizes.json").write_text(json.dumps(sizes, indent=1))
    return counts


def main(
    data: Annotated[Path, typer.Option(help="Folder of *.jsonl.xz files.")],
    out: Annotated[Path, typer.Option(help="Working folder of the recipe; holds the tokenizer.")],
) -> None:
    """Encode the pretraining corpus."""
    template = ChatTemplate.from_folder(out / "tokenizer")
    (end_id,) = template.stop_ids
    counts = build(load(), data, template, end_id, out / "corpus")
    for name, count in counts.items():
        print(f"{name:28} {count:>10,} tokens")


if __name__ == "__main__":
    typer.run(main)
