"""Charts as files, both to be read at any size and to be shown anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check(path: Path) -> None:
    """Fail before hours of work, not after. Raises UserError: wrong suffix, no folder, or no matplotlib."""
    if path.suffix not in (".svg", ".png"):
        raise UserError(
            f"a chart is .svg or .png (both are made): give a file ending in .svg or .png, not '{path.name}'"
        )
    if not path.absolute().parent.is_dir():
        raise UserError(f"there is no folder {path.absolute().parent} for the chart: make it first")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("charts need matplotlib: pip install 'steadfast[train]'") from None


def save(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write the figure beside `path` as SVG and as PNG. The same figure gives the same files."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "steadfast"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=dpi, metadata={"Software": None})
