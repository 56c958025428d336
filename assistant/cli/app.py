"""The `assistant` command. Each command is a file of this package and imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from assistant.cli import ask, chat, conversations, db, doctor, keys, models, personas, serve, setup, users, web
from guardrails.cli.errors import command_group


def _version(asked: bool) -> None:
    if asked:
        from assistant import __version__

        typer.echo(f"steadfast {__version__}")
        raise typer.Exit()


app = command_group(completion=True)


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Chat with assistants that stay in character.

    \b
    Examples:
      assistant chat --persona pirate
      assistant ask "Why is the sky blue?"
      assistant web
      assistant conversations list
    """
    if debug:
        os.environ["ASSISTANT_DEBUG"] = "1"


app.command("chat")(chat.chat)
app.command("ask")(ask.ask)
app.command("web")(web.web)
app.add_typer(users.app, name="users")
app.add_typer(conversations.app, name="conversations")
app.add_typer(personas.app, name="personas")
app.command("models")(models.models)
app.add_typer(db.app, name="db")
app.command("serve")(serve.serve)
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.command("setup")(setup.setup)


def main() -> None:
    """The console entry."""
    for stream in (sys.stdout, sys.stderr):
        # A name or message that the terminal's encoding lacks must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
