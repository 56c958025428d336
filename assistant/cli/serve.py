"""`assistant serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from assistant.cli import options


def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen at [env: ASSISTANT_HOST; default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="0 takes a free one [env: ASSISTANT_PORT; default: 8000]."),
    ] = None,
    persona: options.PersonaName = None,
    model: options.Model = None,
    engine: options.EngineName = None,
    base_url: options.BaseUrl = None,
    option: options.EngineOptions = None,
    guard: options.GuardName = None,
    rate_limit: Annotated[
        int | None, typer.Option("--rate-limit", min=0, help="Requests a minute for each key; 0 is no limit.")
    ] = None,
    max_body: Annotated[int | None, typer.Option("--max-body", min=1024, help="Largest request, in bytes.")] = None,
    max_running: Annotated[int | None, typer.Option("--max-running", min=1, help="Requests answered at once.")] = None,
    max_waiting: Annotated[int | None, typer.Option("--max-waiting", min=0, help="Requests that may wait.")] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option("--cors-origin", metavar="URL", help="A web page's origin that may ask; none may by default."),
    ] = None,
    grace: Annotated[
        float | None, typer.Option("--grace", min=0, max=3600, help="Seconds that replies have to end at shutdown.")
    ] = None,
    db: options.Database = None,
) -> None:
    """Serve personas over HTTP: OpenAI's API at /v1, conversations at /api.

    Every reply passes the same guard as in a chat. It listens to this machine alone; for others make a key first.
    docs/api.md has the API, docs/scale.md what to do when one process is not enough.

    \b
    Examples:
      assistant serve
      assistant serve --port 8080 --persona pirate
      assistant serve --host 0.0.0.0 --rate-limit 60
      assistant serve --db postgresql://assistant@db/steadfast --base-url http://gpu-box:8000/v1
      assistant serve --model ~/models/llama --option adapters=pirate-lora
    """
    from assistant.cli.serving import Asked, run_serve

    wanted = {
        "host": host,
        "port": port,
        "persona": persona,
        "guard": guard,
        "rate_limit": rate_limit,
        "max_body": max_body,
        "max_running": max_running,
        "max_waiting": max_waiting,
        "cors_origins": tuple(cors_origin) if cors_origin else None,
        "grace": grace,
    }
    given = tuple(option or ())
    run_serve(
        Asked(model, engine, base_url, given, db, {name: value for name, value in wanted.items() if value is not None})
    )
