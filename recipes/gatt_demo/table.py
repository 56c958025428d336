"""The demonstration's result as one table: `python -m recipes.gatt_demo.table .gatt-demo/eval.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gatt.evaluation.tables import ALL, ASKED_FOR, HELD_OUT, NAME_AND_HOBBY, STYLE
from guardrails.statistics import Share

TOLD = (NAME_AND_HOBBY, ASKED_FOR, STYLE)
EVERYTHING = (*TOLD, HELD_OUT)
Rows = list[list[str]]


def main(result: Annotated[Path, typer.Argument(help="JSON of `gatt eval`.")]) -> None:
    """Print the table, and write it as Markdown beside the result."""
    found = json.loads(result.read_text("utf-8"))
    heads, rows = ["recall in % [95 % interval], n", *found["arms"]], rows_of(found)
    show(heads, rows)
    result.with_suffix(".md").write_text(markdown(heads, rows), "utf-8")


def rows_of(found: dict[str, Any]) -> Rows:
    """What the paper's table 30 asks, and what it leaves open: style, held-out families, cost."""
    turns = [turn for turn in found["settings"]["turns"] if turn > 1]
    wanted: list[tuple[str, Sequence[str], int]] = [("every family", EVERYTHING, 1)]
    wanted += [("name and hobby", (NAME_AND_HOBBY,), turn) for turn in turns]
    late = [turn for turn in turns if turn >= 20]
    wanted += [("style and format", (STYLE,), turn) for turn in late]
    wanted += [("families never trained", (HELD_OUT,), turn) for turn in late]
    wanted += [("every family trained", TOLD, turns[-1])]
    rows = []
    for name, groups, turn in wanted:
        # At turn 1 there is no history that could comply or violate.
        for history in found["settings"]["histories"][: 1 if turn == 1 else None]:
            shares = [share(found, arm, history, groups, turn) for arm in found["arms"]]
            after = "" if turn == 1 else f", {history} history"
            if shares[0].n:
                rows.append([f"{name}, turn {turn}{after}", *map(shown, shares)])
    reminders = {cost["arm"]: cost["reminder"] for cost in found["cost"]}
    return [*rows, ["extra prompt tokens a turn", *(f"{reminders[arm]:.1f}" for arm in found["arms"])]]


def share(found: dict[str, Any], arm: str, history: str, groups: Iterable[str], turn: int) -> Share:
    """Recall over all families of the groups."""
    cells = [
        cell
        for cell in found["recall"]
        if (cell["arm"], cell["history"], cell["turn"], cell["family"]) == (arm, history, turn, ALL)
        and cell["group"] in groups
    ]
    return Share(sum(cell["passed"] for cell in cells), sum(cell["n"] for cell in cells))


def shown(share: Share) -> str:
    """Such as "97.5 [94, 99], 200"; never rounded up to 100."""
    low, high = (100 * bound for bound in share.interval)
    value = "100" if share.passed == share.n else f"{min(100 * share.value, 99.9):.1f}"
    return f"{value} [{low:.0f}, {high:.0f}], {share.n}"


def show(heads: Sequence[str], rows: Rows) -> None:
    table = Table(*heads)
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)


def markdown(heads: Sequence[str], rows: Rows) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    typer.run(main)
