"""`guardrails calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A reward model's folder; the result is kept there.")],
    data: Annotated[list[Path], typer.Option(metavar="FILE", help="Labelled examples that training did not see.")],
    held_out: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only the share that training with the same --held-out left out.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Only labelled examples of this split.")] = "",
    rates: Annotated[
        str, typer.Option(metavar="SHARE,...", help="Shares of false positives to set thresholds for.")
    ] = ("0.01,0.02,0.05"),
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures here.")] = None,
) -> None:
    """Make the scores probabilities, and find the thresholds for stated shares of false positives.

    \b
    Examples:
      guardrails calibrate runs/safety/model --data labelled.jsonl --split val
      guardrails calibrate runs/safety/model --data labelled.jsonl --held-out 0.1 --rates 0.01,0.05
    """
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from guardrails.errors import UserError
    from guardrails.reward.calibrate import fit, thresholds
    from guardrails.reward.data import held_out as split_off
    from guardrails.reward.data import read
    from guardrails.reward.evaluate import AT_ONCE
    from guardrails.reward.model import RewardModel, write_calibration

    try:
        wanted = [float(rate) for rate in rates.split(",")]
    except ValueError:
        wanted = []
    if not wanted or not all(0 < rate < 1 for rate in wanted):
        raise UserError(f"--rates takes shares between 0 and 1, such as 0.01,0.05, not '{rates}'")
    examples = [one for path in data for one in read(path)[1] if split in ("", one.split)]
    if held_out is not None:
        examples = split_off(examples, held_out)[1]
    if not examples:
        raise UserError("no labelled example is left: see --split and --held-out")
    reward = RewardModel.load(model)
    logits: list[float] = []
    console = Console(stderr=True)
    for start in track(range(0, len(examples), AT_ONCE), "scoring", console=console, transient=True):
        logits += reward.logits([one.exchange for one in examples[start : start + AT_ONCE]])
    safe = [one.safe for one in examples]
    fitted = fit(logits, safe)
    write_calibration(model, fitted.calibration)
    table = Table("judged", "safe examples", *(f"threshold for {100 * rate:g} % false positives" for rate in wanted))
    judged: dict[str, dict[str, object]] = {}
    for kind, with_reply in (("prompts", False), ("replies", True)):
        scores = [
            fitted.calibration.probability(logit)
            for logit, one in zip(logits, examples, strict=True)
            if one.safe and bool(one.exchange.reply) == with_reply
        ]
        if scores:
            found = thresholds(scores, wanted)
            judged[kind] = {"safe": len(scores), "thresholds": found}
            table.add_row(kind, str(len(scores)), *(f"{found[rate]:.4f}" for rate in wanted))
    Console().print(table)
    if json_out:
        whole = {"model": str(model), "examples": len(examples), **asdict(fitted), "judged": judged}
        json_out.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    typer.echo(
        f"{model}: temperature {fitted.calibration.temperature:.3f}, bias {fitted.calibration.bias:.3f}; "
        f"calibration error {fitted.error_before:.3f} before, {fitted.error_after:.3f} after (n = {len(examples)})"
    )
