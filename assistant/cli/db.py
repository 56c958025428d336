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
    from assistant.store.database import display_name, open_database
    from assistant.store.upgrade import ensure_current

    url = _url(db)
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
    from assistant.store.database import display_name
    from assistant.store.upgrade import downgrade as go_back

    url = _url(db)
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
    from assistant.store.backup import backup as copy

    typer.echo(f"written to {copy(_url(db), target)}")


@app.command()
def check(db: options.Database = None) -> None:
    """Look for damage; exit code 1 when there is any.

    \b
    Examples:
      assistant db check
    """
    from assistant.store.check import check as problems_of
    from assistant.store.database import display_name

    url = _url(db)
    problems = problems_of(url)
    for problem in problems:
        typer.echo(problem, err=True)
    if not problems:
        typer.echo(f"{display_name(url)} is sound")
    raise typer.Exit(1 if problems else 0)


def _url(db: str | None) -> str:
    from assistant.cli.opening import read_settings
    from assistant.store.database import resolve_url

    return resolve_url(db or read_settings().db)


def _backup_note(saved: Path | None) -> str:
    return f"; the backup is {saved}" if saved else ""
