"""The stream of dialogues that the tuning recipe reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from guardrails.messages import Message
from recipes.bundled_chat.dialogues import scripts, speakers, topics

TOPICS = Path(__file__).parents[1] / "topics"


# Longer prompts would fill the window.
LONGEST = 400


def dialogues(
    seed: int, count: int, *, topics_dir: Path = TOPICS, harmful: Sequence[str] = (), firm: bool = False
) -> Iterator[list[Message]]:
    """`count` chats, the same for the same seed. Users also send the `harmful` prompts, which are declined.

    `firm`: see `speakers.draw`.
    """
    library = topics.read(topics_dir)
    prompts = [prompt for prompt in harmful if len(prompt) <= LONGEST]
    for number in range(count):
        rng = Random(f"{seed}/{number}")
        yield scripts.write(speakers.draw(rng, firm=firm), library, prompts, rng)
