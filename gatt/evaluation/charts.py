"""Recall against turn as a picture: a panel for each kind of history and group of families, a line an arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatt.evaluation.run import Result
from gatt.evaluation.tables import ALL, GROUPS
from guardrails import pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart with any kind of colour vision; the markers tell the arms apart without colour.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw(result: Result, path: Path) -> None:
    """The recall chart."""
    pictures.save(recall(result), path, dpi=120)


def recall(result: Result) -> Figure:
    """Rows are groups of families, columns kinds of history; the bands are 95 % Wilson intervals."""
    from matplotlib.figure import Figure

    totals = [cell for cell in result.cells if cell.family == ALL]
    groups = [group for group in GROUPS if any(cell.group == group for cell in totals)]
    histories = [h for h in ("compliant", "violating", "own") if any(cell.history == h for cell in totals)]
    turns = sorted({cell.turn for cell in totals})
    figure = Figure(figsize=(1.2 + 3.9 * len(histories), 1.5 + 2.6 * len(groups)), layout="constrained")
    # One history makes a narrow picture.
    between = "\n" if len(histories) == 1 else ", "
    title = f"Recall by turn, {result.settings['n']} dialogues an arm{between}band: 95 % Wilson interval"
    figure.suptitle(title)
    panels = figure.subplots(len(groups), len(histories), squeeze=False, sharey=True)
    for row, group in enumerate(groups):
        for column, history in enumerate(histories):
            _panel(panels[row][column], result, group, history, turns)
            if column == 0:
                panels[row][column].set_ylabel("recall, %")
            if row == len(groups) - 1:
                panels[row][column].set_xlabel("turn (logarithmic)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _panel(panel: Any, result: Result, group: str, history: str, turns: list[int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    sizes = set()
    for place, arm in enumerate(result.arms):
        points = [
            cell
            for cell in result.cells
            if (cell.history, cell.group, cell.family, cell.arm) == (history, group, ALL, arm)
        ]
        sizes |= {cell.share.n for cell in points}
        at = [cell.turn for cell in points]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        panel.plot(at, [100 * cell.share.value for cell in points], color=colour, marker=marker, ms=5, label=arm)
        low, high = ([100 * cell.share.interval[end] for cell in points] for end in (0, 1))
        panel.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
    size = "-".join(str(n) for n in sorted({min(sizes), max(sizes)})) if sizes else "0"
    panel.set_title(f"{group}, {history} history, n = {size}", fontsize=10)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(turns))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_ylim(-3, 103)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
