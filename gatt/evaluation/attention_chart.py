"""The picture of attention toward the instruction: a heatmap a model, and how it changes by turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gatt.evaluation.attention import Bins, Heat
from gatt.evaluation.charts import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The scale of colours ends no lower, however little attention there is.
LEAST = 0.05
# Most numbers beside a heatmap.
LABELS = 25


def draw(bins: Bins, heats: Sequence[Heat], names: Sequence[str], caption: str) -> Figure:
    """Heatmaps beside each other on one scale of colours, and below them mass and peak by turn."""
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    grids = [np.array([[np.nan if v is None else v for v in row] for row in heat.grid], float) for heat in heats]
    # Colours are for the instruction: recent tokens get more than it anyway, and the first token for nothing.
    inside = [at for at, column in enumerate(bins.columns) if _within(column, bins)]
    top = max(LEAST, *(float(np.nanmax(grid[:, inside])) for grid in grids))
    figure = Figure(figsize=(max(8.0, 5.2 * len(heats)), 8.2), layout="constrained")
    figure.suptitle(caption, fontsize=11)
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 1.6))
    maps, lines = parts
    panels = maps.subplots(1, len(heats), squeeze=False, sharey=True)[0]
    image: Any = None
    for panel, grid, name in zip(panels, grids, names, strict=True):
        image = panel.imshow(grid, aspect="auto", cmap="cividis", vmin=0, vmax=top, interpolation="nearest")
        _axes(panel, bins)
        panel.set_title(name, fontsize=11)
    panels[0].set_ylabel("turn of the reply being written")
    maps.colorbar(image, ax=list(panels), label=f"most attention (scale ends at {top:.2f})", extend="max")
    turns = list(dict.fromkeys(bins.row_turns))
    mass, peak = lines.subplots(1, 2)
    for place, (heat, name) in enumerate(zip(heats, names, strict=True)):
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)], "ms": 4}
        mass.plot(turns, heat.mass, label=name, **style)
        peak.plot(turns, heat.peak, label=name, **style)
    for panel, title in ((mass, "mass: all of the instruction, mean of heads"), (peak, "peak: most on one token")):
        panel.set_title(f"attention to the instruction, {title}", fontsize=9)
        panel.set_xlabel("turn")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    mass.legend(frameon=False, fontsize=9)
    return figure


def _axes(panel: Any, bins: Bins) -> None:
    inside = [at for at, column in enumerate(bins.columns) if _within(column, bins)]
    for edge in (inside[0] - 0.5, inside[-1] + 0.5):
        panel.axvline(edge, color="#D55E00", linewidth=1.4)
    panel.annotate(
        "instruction",
        (inside[-1] + 0.5, 0),
        xytext=(0.5, 0.93),
        textcoords="axes fraction",
        color="#D55E00",
        fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "#D55E00"},
    )
    step = max(1, len(bins.columns) // 8)
    panel.set_xticks(range(0, len(bins.columns), step), [str(c.start) for c in bins.columns[::step]])
    panel.set_xlabel("position attended to, in tokens")
    starts = [at for at, turn in enumerate(bins.row_turns) if at == 0 or bins.row_turns[at - 1] != turn]
    labelled: list[int] = []
    for at in starts:  # short replies would put their numbers over one another
        if not labelled or at - labelled[-1] >= len(bins.row_turns) / LABELS:
            labelled.append(at)
    panel.set_yticks(labelled, [str(bins.row_turns[at]) for at in labelled])


def _within(column: Any, bins: Bins) -> bool:
    return bool(bins.instruction.start <= column.start < bins.instruction.end)
