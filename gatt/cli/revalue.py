"""`gatt revalue`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli import options as shared


def revalue(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A dataset that `gatt build-dataset` wrote.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the larger dataset goes.")],
    copies: Annotated[int, typer.Option("--copies", "-n", min=1, max=100, help="Copies of each row.")] = 1,
    lists: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Families files (TOML) that the dataset was built with.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=shared.LARGEST, help="Same seed, same values.")] = 0,
) -> None:
    """Add copies of a dataset's rows with other names, hobbies and phrases in place.

    For small models: they learn some hundred values by heart instead of looking them up in the instruction. Every
    copy is verified as its row was. What an answer says about a value does not change with it.

    \b
    Examples:
      gatt revalue gatt-data --out gatt-data-more
      gatt revalue gatt-data --copies 3 --lists my-families.toml --out gatt-data-more
    """
    from gatt.dataset.manifest import read_manifest
    from gatt.dataset.revalue import revalue as make
    from gatt.dataset.shards import finish, require_parquet
    from gatt.errors import GattError
    from gatt.families import load
    from gatt.training.load_rows import load_rows

    require_parquet()
    built = read_manifest(data)
    if built is None:
        raise GattError(f"{data} has no manifest.json: give the folder of a finished `gatt build-dataset`")
    if out.exists() and any(out.iterdir()):
        raise GattError(f"{out} is not empty: give another --out")
    rows = load_rows(data)
    made = make(rows, load(*(lists or ())), copies=copies, seed=seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GattError(f"--out {out}: {error.strerror}") from None
    finish(out, built.revalued(made, copies=copies, seed=seed), [*rows, *made.rows])
    for reason, count in made.dropped.most_common():
        typer.echo(f"{count} copies left out: {reason}", err=True)
    typer.echo(f"{len(rows)} rows and {len(made.rows)} with other values in {out}")
