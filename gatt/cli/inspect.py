"""`gatt inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def inspect(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder that `gatt build-dataset` wrote, or one file.")],
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", metavar="FOLDER", help="Whose template and tokens; else the bundled."),
    ] = None,
    row: Annotated[list[str] | None, typer.Option(metavar="ID", help="This row; may be given again.")] = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many rows from the start.")] = 3,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="Only rows with this family.")] = None,
    loss: Annotated[Literal["last-turn", "all-turns"], typer.Option(help="Which answers are learned.")] = "last-turn",
    length: Annotated[int | None, typer.Option(min=1, help="Most tokens of a row, as in training.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Also prove the masks of all rows; exit 1 if one fails.")
    ] = False,
) -> None:
    """Show rows with the tokens that would be learned in colour.

    \b
    Examples:
      gatt inspect data/gatt
      gatt inspect data/gatt --row 0000012 --model ~/models/Qwen2.5-0.5B-Instruct
      gatt inspect data/gatt --family hobby --n 10 | less
      gatt inspect data/gatt --check
    """
    from rich.console import Console

    from assistant.engines.catalog import BUNDLED_FOLDER
    from gatt.errors import GattError
    from gatt.inspect import shown, verdicts
    from gatt.training.load_rows import load_rows
    from gatt.training.masks import Loss
    from guardrails.rendering import ChatTemplate, RenderingError

    try:
        template = ChatTemplate.from_folder(model or BUNDLED_FOLDER)
    except RenderingError as error:
        raise GattError(str(error)) from error
    rows = load_rows(data)
    found = [one for one in rows if (not row or one.id in row) and (not family or family in one.families)]
    if not found:
        raise GattError(f"none of the {len(rows)} rows of {data} is such a one: see --row and --family")
    console = Console(highlight=False, soft_wrap=True)
    colour = console.is_terminal and not console.no_color
    for one in found if row else found[:n]:
        for line in shown(one, template, loss=Loss(loss), length=length, colour=colour):
            console.print(line)
        console.print()
    if check:
        learned, refused = verdicts(rows, template, loss=Loss(loss), length=length)
        console.print(
            f"{len(rows) - refused.total()} of {len(rows)} rows would be trained on, {learned} tokens learned"
        )
        for reason, count in refused.most_common():
            console.print(f"  {count} refused: {reason}")
        if refused:
            raise typer.Exit(1)
