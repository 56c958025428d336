"""`gatt make-lists`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli import options as shared


def make_lists(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The families file to write (TOML).")],
    families: Annotated[str, typer.Option(metavar="NAME,...", help="Families to make lists for.")] = "hobby,figure",
    model: shared.Model = None,
    engine: shared.EngineName = None,
    base_url: shared.BaseUrl = None,
    option: shared.EngineOptions = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Values wanted for each family.")] = 100,
    verify: Annotated[
        bool, typer.Option("--verify", help="Keep only values that the model recalls when told and asked at once.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=shared.LARGEST, help="Same seed, same lists.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Let the model write lists of hobbies, public figures and the like, which it therefore knows.

    \b
    Examples:
      gatt make-lists --model ~/models/Qwen2.5-1.5B-Instruct --out lists.toml
      gatt make-lists --families hobby,persona --n 50 --verify --out lists.toml
      gatt build-dataset --lists lists.toml --source chats.jsonl --out data/gatt
    """
    import asyncio
    import sys

    from rich.console import Console

    from assistant.cli.opening import engine_name, read_settings, with_options
    from assistant.engines.catalog import open_engine
    from gatt.dataset.lists import Listed, make_list, write_families
    from gatt.errors import GattError
    from gatt.families import chosen, load

    shipped = load()
    names = chosen(shipped, [name.strip() for name in families.split(",") if name.strip()])
    if out.exists() and not force:
        raise GattError(f"{out} exists: give another --out, or --force to replace it")
    if not out.parent.is_dir():
        raise GattError(f"--out {out}: there is no folder {out.parent}")
    settings = with_options(read_settings(), base_url, option or ())
    opened = open_engine(settings, model, engine_name(settings, engine, base_url))

    async def run() -> dict[str, Listed]:
        console = Console(stderr=True, quiet=not sys.stderr.isatty())
        made: dict[str, Listed] = {}
        try:
            with console.status("asking the model") as status:
                for name in names:
                    made[name] = await make_list(
                        opened.engine,
                        name,
                        shipped[name],
                        n=n,
                        seed=seed,
                        verify=verify,
                        progress=lambda family, count: status.update(f"{family}: {count} of {n}"),
                    )
                    # At once: a failure in the next list costs none before it.
                    write_families(out, shipped, made, opened.engine.model)
        finally:
            await opened.engine.close()
        return made

    made = asyncio.run(run())
    for name, listed in made.items():
        left_out = f", {len(listed.not_recalled)} not recalled" if verify else ""
        typer.echo(f"{name}: {len(listed.values)} of {n} values{left_out}")
