"""`guardrails train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pairs and labelled examples, JSONL or .xz.")],
    base: Annotated[Path, typer.Option(metavar="FOLDER", help="The model to begin with: a chat model or an encoder.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the run goes; the model will be in FOLDER/model.")],
    held_out: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share kept from training, by a hash of the prompt, for eval.")
    ] = 0.1,
    length: Annotated[int, typer.Option(min=16, help="Most tokens of an exchange; the reply is never cut.")] = 256,
    epochs: Annotated[float, typer.Option(min=0.01, help="More than one over-fits (Llama 2, section 3.2.2).")] = 1.0,
    learning_rate: Annotated[float, typer.Option(min=0)] = 5e-5,
    batch: Annotated[int, typer.Option(min=1, help="Examples a step.")] = 32,
    pair_weight: Annotated[float, typer.Option(min=0, help="Weight of a pair against a labelled example.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was cut short.")] = False,
) -> None:
    """Train a reward model: pairs by rank, labelled replies and prompts by their label.

    \b
    Examples:
      guardrails train pairs.jsonl labelled.jsonl --base models/minilm --out runs/safety
      guardrails train pairs.jsonl labelled.jsonl --base models/minilm --out runs/safety --resume
      guardrails train helpful.jsonl --base assistant/bundled --epochs 1 --out runs/helpful
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from guardrails.reward import curves
    from guardrails.reward.data import held_out as split
    from guardrails.reward.data import read
    from guardrails.reward.train import Example, Settings
    from guardrails.reward.train import train as run

    examples: list[Example] = []
    for path in data:
        pairs, labelled = read(path)
        kept_pairs, _ = split(pairs, held_out)
        # What a file itself keeps for testing is kept.
        kept_labelled, _ = split([one for one in labelled if one.split in ("", "train")], held_out)
        examples += [*kept_pairs, *kept_labelled]
        typer.echo(f"{path}: {len(kept_pairs)} of {len(pairs)} pairs, {len(kept_labelled)} of {len(labelled)} labelled")
    settings = Settings(
        base=base,
        out=out,
        length=length,
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        pair_weight=pair_weight,
        seed=seed,
        resume=resume,
    )
    columns = (TextColumn("loss {task.fields[loss]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("steps", total=None, loss="")
        try:
            trained = run(
                settings,
                examples,
                report=lambda entry: bar.update(
                    task, completed=entry["step"], total=entry["steps"], loss=f"{float(entry['loss']):.3f}"
                ),
            )
        except KeyboardInterrupt:
            typer.echo("stopped: the same command with --resume goes on from the last checkpoint", err=True)
            raise typer.Exit(130) from None
    curves.draw(out)
    left_out = len(examples) - trained.examples
    aside = f" ({left_out} that its template does not render were left out)" if left_out else ""
    typer.echo(f"{trained.folder}: trained on {trained.examples} examples{aside}.")
    typer.echo(f"Next: guardrails calibrate {trained.folder} --data FILE")
