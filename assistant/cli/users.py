"""`assistant users`: who may log in on the web page."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from assistant.cli import options

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.callback()
def users() -> None:
    """List, add and remove the people who log in on the web page, and set their passwords.

    \b
    Examples:
      assistant users add ada
      assistant users list
    """


@app.command("list")
def list_(json: options.AsJson = False, db: options.Database = None) -> None:
    """List who may log in.

    \b
    Examples:
      assistant users list
      assistant users list --json
    """
    from assistant.cli.opening import open_store
    from assistant.cli.output import moment, print_json, print_table

    with open_store(db) as store:
        found = store.users()
    if json:
        print_json(found)
    elif found:
        print_table(
            ("name", "since", "conversations"), [(u.name, moment(u.created_at), u.conversations) for u in found]
        )
    else:
        typer.echo("no users: on this machine nobody has to log in", err=True)


@app.command()
def add(name: Name, db: options.Database = None) -> None:
    """Add a person. Asks for the password, or reads it from a pipe.

    \b
    Examples:
      assistant users add ada
      pass show steadfast/ada | assistant users add ada
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.add_user(name, _password())
    typer.echo(f"{name} can log in; a running `assistant web` asks for it after a restart", err=True)


@app.command()
def password(name: Name, db: options.Database = None) -> None:
    """Give a person a new password, which ends their logins.

    \b
    Examples:
      assistant users password ada
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        store.user(name)
        store.set_password(name, _password())


@app.command()
def remove(name: Name, yes: options.Yes = False, db: options.Database = None) -> None:
    """Let a person log in no more. Their conversations stay in the database.

    \b
    Examples:
      assistant users remove ada
    """
    from assistant.cli.opening import open_store

    with open_store(db) as store:
        user = store.user(name)
        if not yes and not typer.confirm(f"Remove {user.name} ({user.conversations} conversations stay)?", err=True):
            raise typer.Exit(1)
        store.remove_user(user.name)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
