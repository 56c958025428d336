"""Plain dialogues to hold an instruction against: user turns, with the answers they got where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from gatt.dataset.sources import from_file

SHIPPED = Path(__file__).with_name("dialogues.jsonl")


@dataclass(frozen=True, slots=True)
class Said:
    """A user message and the answer it got in the source; no answer where the source has none."""

    user: str
    answer: str | None


@dataclass(frozen=True)
class Material:
    """Dialogues, each of one turn or more, and the SHA-256 of the file they are from."""

    dialogues: tuple[tuple[Said, ...], ...]
    sha256: str = ""

    @property
    def turns(self) -> int:
        return sum(map(len, self.dialogues))

    @cached_property
    def answers(self) -> list[str]:
        """All answers of the source."""
        return [said.answer for dialogue in self.dialogues for said in dialogue if said.answer]

    @cached_property
    def openers(self) -> list[str]:
        """First messages: they need no context, so they can be asked at any turn."""
        return list(dict.fromkeys(dialogue[0].user for dialogue in self.dialogues))

    def without(self, unwanted: Callable[[Said], bool]) -> Material:
        """The dialogues without some of their turns."""
        left = (tuple(said for said in dialogue if not unwanted(said)) for dialogue in self.dialogues)
        return Material(tuple(dialogue for dialogue in left if dialogue), self.sha256)

    def chain(self, rng: Random) -> Iterator[Said]:
        """One long dialogue without end: all dialogues in random order, again and again."""
        while True:
            for dialogue in rng.sample(self.dialogues, len(self.dialogues)):
                yield from dialogue


def read(path: Path) -> Material:
    """The dialogues of a JSONL file. Raises SourceError: see `gatt.dataset.sources.from_file`."""
    source = from_file(path)
    return Material(
        tuple(
            tuple(Said(user, answer) for user, answer in zip(one.users, one.answers, strict=True))
            for one in source.dialogues
        ),
        source.sha256,
    )
