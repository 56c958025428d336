"""`gatt eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str | None, typer.Option(help="The tuned model, a folder or a name: the arm `gatt`.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The model before tuning: the arms `baseline` and `reminder`.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Which arms, the first is what others are compared with. NAME=FOLDER adds any model."),
    ] = None,
    turns: Annotated[str, typer.Option(help="Turns to measure at; turn 1 always is.")] = "2,4,6,10,20,40,60",
    n: Annotated[int, typer.Option("--n", min=1, help="Dialogues, each with an instruction of its own.")] = 200,
    history: Annotated[
        str, typer.Option(help="Replies before the probe: compliant, violating, own.")
    ] = "compliant,violating,own",
    families: Annotated[str, typer.Option(help="Instruction families; all when none are named.")] = "",
    hold_out: Annotated[str, typer.Option(help="Families that training never saw, reported apart.")] = "",
    lists: Annotated[list[Path] | None, typer.Option(help="Families files of your own (TOML).")] = None,
    values: Annotated[
        str, typer.Option(help="Values told: test, kept for evaluation; train, those that rows may name; all.")
    ] = "test",
    source: Annotated[Path | None, typer.Option(help="Plain dialogues, JSONL; the shipped ones by default.")] = None,
    sys_ifeval: Annotated[Path | None, typer.Option(help="The sys_ifeval set (JSONL), measured as well.")] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the result here, single outcomes beside it.")
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="Write a chart here, .svg or .png; both are made.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 64,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 takes the likeliest token.")] = 0.0,
    tries: Annotated[int, typer.Option(min=1, help="Answers sampled for a compliant one.")] = 4,
    concurrency: Annotated[int, typer.Option(min=1, help="Dialogues in work at once.")] = 32,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that --json names.")] = False,
) -> None:
    """Measure how long an instruction holds: recall by turn, survival, cost, for several arms side by side.

    Probes are asked on a branch: the dialogue itself stays as it is.

    \b
    Examples:
      gatt eval
      gatt eval --model tuned/model --baseline bundled --json eval.json --chart eval.svg
      gatt eval --model tuned/model --baseline bundled --turns 20 --n 50 --history violating
      gatt eval --model tuned/model --baseline bundled --values train
    """
    import asyncio

    from rich.console import Console

    from assistant.settings import load_settings
    from gatt.errors import GattError
    from gatt.evaluation import report
    from gatt.evaluation.material import SHIPPED
    from gatt.evaluation.recall import Plan
    from gatt.evaluation.run import HISTORIES, Request, evaluate, journal_path
    from gatt.families import SPLITS

    if resume and json_out is None:
        raise GattError("--resume needs the --json of the run to go on with")
    if chart is not None:
        from guardrails import pictures

        pictures.check(chart)
    kinds = [kind for kind in HISTORIES if kind in _names(history)]
    unknown = set(_names(history)) - set(HISTORIES)
    if unknown or not kinds:
        raise GattError(f"--history takes {', '.join(HISTORIES)}, not '{', '.join(sorted(unknown)) or history}'")
    if values not in SPLITS:
        raise GattError(f"--values takes {', '.join(SPLITS)}, not '{values}'")
    if n < report.FEW:
        typer.echo(f"note: with n = {n} the intervals are wide; 200 and more tell arms apart", err=True)
    default_arms = "baseline,reminder,gatt" if baseline else "gatt" if model else "baseline,reminder"
    request = Request(
        arms=tuple(_names(arms or default_arms)),
        plan=Plan(_turns(turns), tuple(kinds), seed, max_tokens, temperature, tries, concurrency),
        n=n,
        model=model,
        baseline=baseline,
        families=tuple(_names(families)),
        hold_out=tuple(_names(hold_out)),
        lists=tuple(lists or ()),
        values=SPLITS[SPLITS.index(values)],
        source=source or SHIPPED,
        sys_ifeval=sys_ifeval,
        out=json_out,
        resume=resume,
    )
    try:
        result = asyncio.run(evaluate(request, load_settings()))
    except KeyboardInterrupt:
        kept = f"; the same command with --resume goes on from {journal_path(json_out)}" if json_out else ""
        typer.echo(f"stopped{kept}", err=True)
        raise typer.Exit(130) from None
    report.show(result, Console(width=None if Console().is_terminal else 160))
    if json_out is not None:
        report.write_json(report.as_json(result), json_out)
    if chart is not None:
        from gatt.evaluation import charts

        charts.draw(result, chart)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _turns(text: str) -> tuple[int, ...]:
    from gatt.errors import GattError

    try:
        turns = {int(turn) for turn in _names(text)}
    except ValueError:
        turns = {0}
    if not turns or min(turns) < 1:
        raise GattError(f"--turns takes numbers from 1, such as 2,4,6,20, not '{text}'")
    return tuple(sorted(turns | {1}))
