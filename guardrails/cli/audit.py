"""`guardrails audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Look at an audit log: is it whole, what is in it.")
Log = Annotated[Path, typer.Argument(metavar="LOG", help="An audit log, such as audit.jsonl.")]


@app.command()
def verify(
    log: Log,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A hash noted before: rows cut off at the end show.")
    ] = None,
) -> None:
    """Check that no row was changed, left out or put in.

    \b
    Examples:
      guardrails audit verify audit.jsonl
      guardrails audit verify audit.jsonl --head 5d41402abc4b2a76...
    """
    from guardrails.audit import verify as check

    found = check(log, head=head)
    typer.echo(f"{log}: {found.rows} rows, all as they were written. Note the last one's hash elsewhere: {found.head}")


@app.command()
def stats(log: Log) -> None:
    """Count decisions and show latency, by judge and stage.

    \b
    Examples:
      guardrails audit stats audit.jsonl
    """
    from rich.console import Console
    from rich.table import Table

    from guardrails.audit import stats as count

    table = Table("judge", "stage", "pass", "flag", "block", "unavailable", "p50 ms", "p95 ms")
    for (judge, stage), found in count(log).items():
        decisions = [str(found.decisions[name]) for name in ("pass", "flag", "block", "unavailable")]
        table.add_row(judge, stage, *decisions, f"{found.percentile(50):.1f}", f"{found.percentile(95):.1f}")
    Console().print(table)


@app.command()
def export(
    log: Log,
    form: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="What to write.")] = "csv",
    decision: Annotated[str, typer.Option(metavar="NAME", help="Only rows of this decision, such as block.")] = "",
) -> None:
    """Write the rows to standard output, without their hashes.

    \b
    Examples:
      guardrails audit export audit.jsonl > audit.csv
      guardrails audit export audit.jsonl --decision block --format jsonl
    """
    import csv
    import json
    import sys

    from guardrails.audit import rows

    writer = None
    for row in rows(log):
        if decision not in ("", row.get("decision")):
            continue
        told = {name: value for name, value in row.items() if name not in ("before", "hash")}
        if form == "jsonl":
            typer.echo(json.dumps(told, ensure_ascii=False))
            continue
        if writer is None:
            writer = csv.DictWriter(sys.stdout, told, extrasaction="ignore")
            writer.writeheader()
        writer.writerow(told)
