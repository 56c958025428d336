"""Dialogues for instruction tuning.

Run `python -m recipes.bundled_chat.dialogues.generate --n 20` to read some.
"""

from __future__ import annotations

from typing import Annotated

import typer

from recipes.bundled_chat.dialogues.stream import dialogues


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
