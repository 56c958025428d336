"""Progress of the parts of an evaluation: bars with rate and time left, and how long each part took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f}/s")


class Meter:
    """One bar a part on stderr, nothing where stderr is no terminal. `seconds` is how long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """Time the part `name` of `total` pieces of work; yields what to call after each piece."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
        began = time.monotonic()
        try:
            with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
                bar = bars.add_task(name, total=total)
                yield lambda: bars.advance(bar)
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 1)
