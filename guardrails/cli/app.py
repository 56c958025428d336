"""The `guardrails` command line: puts the subcommands together."""

from __future__ import annotations

import sys

from guardrails.cli import audit, calibrate, evaluate, render, score, train
from guardrails.cli.errors import command_group

app = command_group()
app.command()(render.render)
app.command()(score.score)
app.command()(train.train)
app.command()(calibrate.calibrate)
app.command("eval")(evaluate.evaluate)
app.add_typer(audit.app, name="audit")


@app.callback()
def group() -> None:
    """What guards a chat.

    \b
    Examples:
      guardrails render --user "Hello"
      echo "How do I boil an egg?" | guardrails score
      guardrails train pairs.jsonl labelled.jsonl --base models/minilm --out runs/safety
    """


def main() -> None:
    """The console entry."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
