"""What a person sees of a training run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gatt.training.selection import Selection

# Elsewhere than on a terminal, at most one line in so many seconds, and each with a new validation.
QUIET_SECONDS = 15.0


def open_screen() -> Screen:
    """The screen for standard error as it is. Of several processes, only the first shows anything."""
    return Screen(Console(file=sys.stderr, quiet=not first_process()))


def first_process() -> bool:
    """Whether this is the first of the processes that `accelerate launch` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


class Screen:
    """Shows the row report, then the steps. A context manager: it leaves the terminal in order."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._steps = 0
        self._began: tuple[float, int] | None = None
        self._shown = -QUIET_SECONDS
        self._validation: float | None = None

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def prepared(self, selection: Selection, steps: int) -> None:
        """Print the account of the rows, before the first step."""
        self._steps = steps
        self._console.print(_row_table(selection.report()))
        if self._live:
            self._live.start()

    def report(self, entry: dict[str, Any]) -> None:
        """Show a step."""
        now = time.monotonic()
        if self._began is None:  # counted from the end of the first step, which compiles and warms up
            self._began = (now, entry["step"])
        self._validation = entry.get("validation_loss", self._validation)
        cells = {
            "step": f"{entry['step']}/{self._steps}",
            "train loss": f"{entry['loss']:.4f}",
            "validation loss": "-" if self._validation is None else f"{self._validation:.4f}",
            "learned tokens/s": f"{entry['learned_tokens'] / entry['seconds']:,.0f}",
            "tokens/s": f"{entry['tokens'] / entry['seconds']:,.0f}",
            "learning rate": f"{entry['learning_rate']:.2e}",
            "time left": self._left(now, entry["step"]),
        }
        if self._live:
            table = Table(*cells)
            table.add_row(*cells.values())
            self._live.update(table, refresh=True)
        elif now - self._shown > QUIET_SECONDS or "validation_loss" in entry:
            self._shown = now
            self._console.print("  ".join(f"{name} {value}" for name, value in cells.items()), soft_wrap=True)

    def _left(self, now: float, step: int) -> str:
        assert self._began is not None
        began, first = self._began
        if step == first:
            return "-"
        left = round((now - began) / (step - first) * (self._steps - step))
        return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"


def _row_table(report: dict[str, Any]) -> Table:
    table = Table("rows", "number", title="rows", title_justify="left")
    table.add_row("to train on", f"{report['training_rows']:,}")
    table.add_row("held out", f"{report['validation_rows']:,}")
    if report["rehearsed_dialogues"]:
        table.add_row("rehearsed dialogues", f"{report['rehearsed_dialogues']:,}")
    for reason, count in (report["dropped_by_reason"] | report["rehearsals_dropped"]).items():
        table.add_row(f"dropped: {reason}", f"{count:,}")
    table.add_row("lost their oldest exchanges", f"{report['rows_that_lost_their_oldest_exchanges']:,}")
    for turns, counts in report["rows_by_turns"].items():
        dropped = f", {counts['dropped']:,} dropped" if counts["dropped"] else ""
        table.add_row(f"of {turns} turns", f"{counts['kept']:,} kept{dropped}")
    table.add_row("tokens", f"{report['tokens']:,}")
    table.add_row("learned tokens", f"{report['supervised_tokens']:,}")
    return table
