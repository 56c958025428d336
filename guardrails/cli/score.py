"""`guardrails score`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from guardrails.guard import Guard
    from guardrails.judge import Exchange, Verdict

# Lines judged at once, so that a model scores many together.
AT_ONCE = 16


def score(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="JSON lines or plain text; default: what is piped in.")
    ] = None,
    guard: Annotated[
        str, typer.Option("--guard", metavar="NAME|FILE", help="Safety policy: a profile's name, or a TOML file.")
    ] = "balanced",
    plain: Annotated[Literal["prompt", "reply"], typer.Option("--as", help="What a line of plain text is.")] = "prompt",
    as_json: Annotated[bool, typer.Option("--json", help="Every judge's verdict, as JSON lines.")] = False,
) -> None:
    """Judge prompts and replies, one a line, as a chat with this policy would.

    A line is JSON, {"messages": [...]} or {"prompt": "...", "reply": "..."}, or else plain text. Printed are
    decision, score (of the last judge that gives one) and reason, with tabs between.

    \b
    Examples:
      echo "How do I boil an egg?" | guardrails score
      guardrails score chats.jsonl --guard strict
      guardrails score replies.txt --as reply --json | jq -r .decision | sort | uniq -c
    """
    import asyncio

    from guardrails.exchanges import read
    from guardrails.guard import build
    from guardrails.policy import load

    made = build(load(guard))

    async def judge_all() -> None:
        batch: list[Exchange] = []
        for name, lines in _inputs(files):
            for exchange in read(lines, name, plain):
                batch.append(exchange)
                if len(batch) == AT_ONCE:
                    await _print(made, batch, as_json)
                    batch.clear()
        await _print(made, batch, as_json)

    try:
        asyncio.run(judge_all())
    finally:
        made.close()


def _inputs(files: list[Path] | None) -> Iterator[tuple[str, Iterator[str]]]:
    from guardrails.errors import UserError

    if not files:
        if sys.stdin.isatty():
            raise UserError("there is nothing to judge: give a file, or pipe lines in")
        yield "input", (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    for path in files or ():
        try:
            with path.open(encoding="utf-8", errors="replace") as stream:
                yield str(path), iter(stream)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None


async def _print(guard: Guard, exchanges: list[Exchange], as_json: bool) -> None:
    import asyncio
    import json
    from dataclasses import asdict

    for verdicts in await asyncio.gather(*(guard.verdicts(exchange) for exchange in exchanges)):
        last = verdicts[-1]
        if as_json:
            shown = {
                "decision": last.decision,
                "verdicts": [{**asdict(one), "decision": one.decision} for one in verdicts],
            }
            typer.echo(json.dumps(shown, ensure_ascii=True))
        else:
            typer.echo(f"{last.decision}\t{_score(verdicts)}\t{last.reason}".rstrip())


def _score(verdicts: list[Verdict]) -> str:
    found = [verdict.score for verdict in verdicts if verdict.score is not None]
    return f"{found[-1]:.3f}" if found else "-"
