"""`assistant personas`: who can answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli import options

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.callback()
def personas() -> None:
    """List, show, add and check personas.

    \b
    Examples:
      assistant personas list
      assistant personas show pirate
      assistant personas add my-persona.toml
    """


@app.command("list")
def list_(json: options.AsJson = False) -> None:
    """List the personas, shipped and your own.

    \b
    Examples:
      assistant personas list
      assistant personas list --json
    """
    from assistant.cli.opening import open_library, read_settings
    from assistant.cli.output import print_json, print_table

    library = open_library(read_settings())
    if json:
        print_json([persona.model_dump(mode="json") for persona in library.all()])
    else:
        rows = [(persona.name, persona.title, persona.description) for persona in library.all()]
        print_table(("name", "title", "description"), rows)
    for problem in library.problems:
        typer.echo(f"not usable: {problem}", err=True)


@app.command()
def show(name: Name, json: options.AsJson = False) -> None:
    """Print a persona whole.

    \b
    Examples:
      assistant personas show pirate
      assistant personas show pirate --json
    """
    from assistant.cli.opening import open_library, read_settings
    from assistant.cli.output import print_json
    from assistant.personas.files import to_toml
    from assistant.terminal.safe_text import displayable

    library = open_library(read_settings())
    persona = library.get(name)
    if json:
        print_json(persona.model_dump(mode="json"))
    else:
        typer.echo(f"# {library.path(name)}")
        typer.echo(displayable(to_toml(persona)), nl=False)


@app.command()
def add(
    file: options.File,
    replace: Annotated[bool, typer.Option("--replace", help="Also where the name is taken.")] = False,
) -> None:
    """Add a persona: a TOML or YAML file, or a Character Card V2 (JSON or PNG).

    \b
    Examples:
      assistant personas add my-persona.toml
      assistant personas add card.png --replace
    """
    from assistant.cli.opening import open_library, read_settings

    persona = open_library(read_settings()).add(file, replace=replace)
    typer.echo(f"{persona.name} added: assistant chat --persona {persona.name}")


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Default: all known.")] = None,
) -> None:
    """Check persona files; exit code 1 when one is not usable.

    \b
    Examples:
      assistant personas check
      assistant personas check my-persona.toml
    """
    from assistant.cli.opening import open_library, read_settings
    from assistant.personas.files import PersonaFileError, read_persona

    problems = []
    good = 0
    for file in files or []:
        try:
            read_persona(file)
            good += 1
        except PersonaFileError as error:
            problems += error.problems
    if not files:
        library = open_library(read_settings())
        good, problems = len(library.all()), library.problems
    for problem in problems:
        typer.echo(str(problem), err=True)
    typer.echo(f"{good} usable, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)
