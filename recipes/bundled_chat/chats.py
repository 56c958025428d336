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

from gatt import families
from gatt.families import Split, joined
from guardrails.messages import Message
from recipes.bundled_chat.config import CHARACTERS, load
from recipes.bundled_chat.dialogues import scripts, speakers, topics
from recipes.bundled_chat.dialogues.stream import TOPICS


def plain(seed: int, count: int, *, orders: float = 0.0, split: Split = "train") -> Iterator[list[Message]]:
    """`count` dialogues of 1 to 25 turns in which nobody gives an instruction, the same for the same seed.

    With `orders`, in that share of the messages the user orders something ("Act as Oscar Wilde."), of the values of
    `split`, and the reply stays what it is without: who was told otherwise before must not follow.
    """
    library, known, names = topics.read(TOPICS), families.load(CHARACTERS), load().ghost_attention.families

    def ordering(message: Message, rng: Random) -> Message:
        order = families.draw(known, names, rng, most=2, split=split).text(terse=rng.random() < 0.5)
        return Message("user", joined(order, message.content))

    for number in range(count):
        chat = scripts.write(speakers.plain(), library, (), Random(f"chats/{seed}/{number}"))
        rng = Random(f"orders/{seed}/{number}")
        yield [ordering(one, rng) if one.role == "user" and rng.random() < orders else one for one in chat]


def main(
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    count: Annotated[int, typer.Option(help="How many dialogues.")] = 2000,
    seed: Annotated[int, typer.Option(help="Tuning used the seed of config.toml; take another.")] = 5,
    orders: Annotated[float, typer.Option(help="Share of the messages that order something else.")] = 0.0,
) -> None:
    """Write plain dialogues of 1 to 25 turns."""
    with out.open("w", encoding="utf-8") as file:
        for chat in plain(seed, count, orders=orders):
            file.write(json.dumps({"messages": [{"role": m.role, "content": m.content} for m in chat]}) + "\n")


if __name__ == "__main__":
    typer.run(main)
