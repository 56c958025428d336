"""`assistant web`."""

from __future__ import annotations

from typing import Annotated

import typer

from assistant.cli import options


def web(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; others than loopback need users.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 7860,
    persona: options.PersonaName = None,
    model: options.Model = None,
    engine: options.EngineName = None,
    guard: options.GuardName = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    db: options.Database = None,
) -> None:
    """Chat on a web page.

    Nobody has to log in on this machine alone. As soon as there is a user (assistant users add), everybody logs in and
    sees their own conversations.

    \b
    Examples:
      assistant web
      assistant web --open --persona pirate
      assistant web --port 8080 --model ~/models/Qwen2.5-0.5B-Instruct
      assistant web --host 0.0.0.0
    """
    from assistant.cli.preparing import Wanted
    from assistant.cli.serving_web import run_web

    run_web(Wanted(persona, None, model, engine, guard, db=db), host, port, browser)
