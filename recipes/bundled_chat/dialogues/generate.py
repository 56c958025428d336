"""Dialogues for instruction tuning.

Run `python -m recipes.bundled_chat.dialogues.generate --n 20` to read some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from guardrails.messages import Message
from recipes.bundled_chat.dialogues import scripts, speakers, topics

TOPICS = Path(__file__).parents[1] / "topics"


def dialogues(
    seed: int, count: int, *, topics_dir: Path = TOPICS, harmful: Sequence[str] = ()
) -> Iterator[list[Message]]:
    """`count` chats, the same for the same seed. Users also send the `harmful` prompts, which are declined."""
    library = topics.read(topics_dir)
    for number in range(count):
        rng = Random(f"{seed}/{number}")
        yield scripts.write(speakers.draw(rng), library, harmful, rng)


def main(
    n: Annotated[int, typer.Option(help="How many dialogues to print.")] = 20,
    seed: Annotated[int, typer.Option(help="Another seed gives other dialogues.")] = 1,
) -> None:
    """Print dialogues to be read by eye."""
    for chat in dialogues(seed, n):
        for message in chat:
            typer.echo(f"[{message.role}] {message.content}")
        typer.echo("=" * 40)


if __name__ == "__main__":
    typer.run(main)
