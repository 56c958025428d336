"""`assistant db`: care of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli import options

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def db() -> None:
    """Upgrade, downgrade, back up and check the database.

    \b
    Examples:
      assistant db check
      assistant db backup ~/conversations-backup.db
    """


@app.command()
def upgrade(db: options.Database = None) -> None:
    """Bring the database to the newest schema, after a backup. Every start does so by itself.

    \b
    Examples:
      assistant db upgrade
      assistant db upgrade --db old.db
    """
    from assistant.cli.opening import database_url
    from assistant.store.database import display_name, open_database
    from assistant.store.upgrade import ensure_current

    url = database_url(db)
    engine = open_database(url)
    try:
        saved = ensure_current(engine)
    finally:
        engine.dispose()
    typer.echo(f"{display_name(url)} has the newest schema{_backup_note(saved)}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="A schema's name, or base for none.")],
    yes: options.Yes = False,
    db: options.Database = None,
) -> None:
    """Take the database back to an older schema, after a backup.

    \b
    Examples:
      assistant db downgrade 0001
    """
    from assistant.cli.opening import existing_database
    from assistant.store.database import display_name
    from assistant.store.upgrade import downgrade as go_back

    url = existing_database(db)
    if not yes and not typer.confirm(f"Take {display_name(url)} back to schema {revision}?", err=True):
        raise typer.Exit(1)
    saved = go_back(url, revision)
    typer.echo(f"{display_name(url)} has schema {revision}{_backup_note(saved)}")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")], db: options.Database = None
) -> None:
    """Copy the database, also while it is in use.

    \b
    Examples:
      assistant db backup ~/conversations-backup.db
    """
    from assistant.cli.opening import existing_database
    from assistant.store.backup import backup as copy

    typer.echo(f"written to {copy(existing_database(db), target)}")


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the search index anew where something is wrong.")
    ] = False,
    db: options.Database = None,
) -> None:
    """Look for damage; exit code 1 when there is any left.

    \b
    Examples:
      assistant db check
      assistant db check --repair
    """
    from assistant.cli.opening import existing_database
    from assistant.store.check import check as problems_of
    from assistant.store.check import rebuild_search
    from assistant.store.database import display_name

    url = existing_database(db)
    problems = _told(problems_of(url))
    if problems and repair:
        rebuild_search(url)
        typer.echo("the search index was made anew", err=True)
        problems = _told(problems_of(url))
    if not problems:
        typer.echo(f"{display_name(url)} is sound")
    raise typer.Exit(1 if problems else 0)


def _told(problems: list[str]) -> list[str]:
    for problem in problems:
        typer.echo(problem, err=True)
    return problems


def _backup_note(saved: Path | None) -> str:
    return f"; the backup is {saved}" if saved else ""
