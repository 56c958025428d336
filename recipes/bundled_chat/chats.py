"""Plain dialogues, without any instruction: what Ghost Attention starts from, and what its evaluation walks along.

`python -m recipes.bundled_chat.chats --out chats.jsonl --count 2000 --seed 5` writes one dialogue a line, in OpenAI's
message format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from guardrails.messages import Message
from recipes.bundled_chat.dialogues import scripts, speakers, topics
from recipes.bundled_chat.dialogues.stream import TOPICS


def plain(seed: int, count: int) -> Iterator[list[Message]]:
    """`count` dialogues of 1 to 25 turns in which nobody gives an instruction, the same for the same seed."""
    library = topics.read(TOPICS)
    for number in range(count):
        yield scripts.write(speakers.plain(), library, (), Random(f"chats/{seed}/{number}"))


def main(
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    count: Annotated[int, typer.Option(help="How many dialogues.")] = 2000,
    seed: Annotated[int, typer.Option(help="Tuning used the seed of config.toml; take another.")] = 5,
) -> None:
    """Write plain dialogues of 1 to 25 turns."""
    with out.open("w", encoding="utf-8") as file:
        for chat in plain(seed, count):
            file.write(json.dumps({"messages": [{"role": m.role, "content": m.content} for m in chat]}) + "\n")


if __name__ == "__main__":
    typer.run(main)
