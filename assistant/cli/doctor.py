"""`assistant doctor`."""

from __future__ import annotations

import typer

from assistant.cli import options


def doctor(db: options.Database = None) -> None:
    """Say what works on this machine, and how to mend the rest. Exit code 1 when chatting is not possible.

    \b
    Examples:
      assistant doctor
    """
    from assistant.cli.health import examine

    findings = examine(db)
    for finding in findings:
        typer.echo(f"{finding.state:<9}{finding.subject:<12}{finding.text}")
    raise typer.Exit(1 if any(finding.state == "broken" for finding in findings) else 0)
