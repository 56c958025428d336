"""`assistant keys`."""

from __future__ import annotations

from typing import Annotated

import typer

from assistant.cli import options

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def keys() -> None:
    """API keys of `assistant serve`. Once there has been one, every request needs one.

    \b
    Examples:
      assistant keys create laptop
      assistant keys list
      assistant keys revoke 1
    """


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, for the list.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="chat (/v1), conversations (/api), metrics; all by default."),
    ] = None,
    db: options.Database = None,
) -> None:
    """Make a key and print it. It is shown this once: what is kept is its hash.

    \b
    Examples:
      assistant keys create laptop
      assistant keys create grafana --scope metrics
    """
    from assistant.cli.opening import open_store
    from assistant.store.keys import SCOPES

    with open_store(db) as store:
        made, key = store.create_key(name, scope or SCOPES)
    typer.echo(key)
    typer.echo(f"key {made.id} for {', '.join(made.scopes)}: keep it now, it is not shown again", err=True)


@app.command("list")
def list_(as_json: options.AsJson = False, db: options.Database = None) -> None:
    """List the keys there are and were, by how they begin.

    \b
    Examples:
      assistant keys list
      assistant keys list --json
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import moment, print_json, print_table

    with open_store(db) as store:
        found = store.api_keys()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            key.id,
            key.name,
            f"{key.hint}…",
            " ".join(key.scopes),
            moment(key.created_at),
            "in use" if key.revoked_at is None else f"revoked {moment(key.revoked_at)}",
        )
        for key in found
    ]
    print_table(("id", "name", "key", "scopes", "made", "state"), rows)


@app.command()
def revoke(id: options.Id, db: options.Database = None) -> None:
    """Take a key back: within two seconds it opens nothing on any server of this database.

    \b
    Examples:
      assistant keys revoke 1
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.revoke_key(id)
    typer.echo(f"key {id} is revoked", err=True)
