"""Plain dialogues, without any instruction: what Ghost Attention starts from, and what its evaluation walks along.

`python -m recipes.bundled_chat.chats --out chats.jsonl --count 2000 --seed 5` writes one dialogue a line, in OpenAI's
message format.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from recipes.bundled_chat.dialogues import scripts, speakers, topics
from recipes.bundled_chat.dialogues.stream import TOPICS


def main(
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    count: Annotated[int, typer.Option(help="How many dialogues.")] = 2000,
    seed: Annotated[int, typer.Option(help="Tuning used the seed of config.toml; take another.")] = 5,
) -> None:
    """Write plain dialogues of 1 to 25 turns."""
    library = topics.read(TOPICS)
    with out.open("w", encoding="utf-8") as file:
        for number in range(count):
            rng = Random(f"chats/{seed}/{number}")
            chat = scripts.write(speakers.plain(), library, (), rng)
            file.write(json.dumps({"messages": [{"role": m.role, "content": m.content} for m in chat]}) + "\n")


if __name__ == "__main__":
    typer.run(main)
