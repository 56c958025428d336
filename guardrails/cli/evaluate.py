"""`guardrails eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from guardrails.reward.evaluate import Labels, Prompts
    from guardrails.reward.metrics import Figure

RATES = (0.01, 0.05)


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A reward model's folder.")],
    data: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Pairs or labelled examples.")] = None,
    held_out: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Measure only the share that training with the same --held-out left out."),
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Only labelled examples of this split.")] = "",
    harmful: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:COLUMN]", help="A set of harmful prompts, such as harmbench.csv.")
    ] = None,
    benign: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:COLUMN]", help="Benign prompts: the false positives.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures here.")] = None,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ROC, scores and calibration: .svg and .png.")
    ] = None,
) -> None:
    """Measure a safety reward model. Every figure of detection stands beside the false positives it costs.

    \b
    Examples:
      guardrails eval runs/safety/model --data labelled.jsonl --split test --chart safety.svg
      guardrails eval runs/safety/model --data pairs.jsonl --held-out 0.1
      guardrails eval runs/safety/model --harmful harmbench_text.csv:Behavior --benign mt_bench_questions.jsonl:turns
    """
    import json
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from guardrails.errors import UserError
    from guardrails.reward import evaluate as measure
    from guardrails.reward.data import held_out as split_off
    from guardrails.reward.data import read
    from guardrails.reward.model import RewardModel
    from guardrails.reward.prompts import place, read_prompts

    if bool(harmful) != bool(benign):
        raise UserError("--harmful and --benign go together: recall means nothing without false positives")
    if not data and not harmful:
        raise UserError("there is nothing to measure: give --data, or --harmful with --benign")
    if chart:
        from guardrails import pictures

        pictures.check(chart)
    sets = [(path.name, *read(path)) for path in data or ()]
    bad = [(place(name)[0].name, read_prompts(name, safe=False)) for name in harmful or ()]
    good = [one for name in benign or () for one in read_prompts(name, safe=True)]
    reward = RewardModel.load(model)
    labelled: list[Labels] = []
    pairs: dict[str, Figure] = {}
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("scoring", total=None)

        def done(count: int) -> None:
            bar.advance(task, count)

        for name, of_pairs, examples in sets:
            if held_out is not None:
                of_pairs, examples = split_off(of_pairs, held_out)[1], split_off(examples, held_out)[1]
            examples = [one for one in examples if split in ("", one.split)]
            if of_pairs:
                for source in sorted({pair.source for pair in of_pairs}):
                    of_source = [pair for pair in of_pairs if pair.source == source]
                    pairs[f"{source}, {len(of_source)} pairs"] = measure.pairs(reward, of_source, done)
            if examples:
                labelled.append(measure.labels(reward, name, examples, done))
        found = measure.prompts(reward, bad, good, RATES, done) if bad else []
        timed = [one.exchange for _, of_pairs, examples in sets for one in examples] or [one.exchange for one in good]
        speed = measure.latency(reward, timed) if timed else {}
    console = Console(width=None if Console().is_terminal else 160)
    for table in _tables(labelled, pairs, found):
        console.print(table)
    if speed:
        console.print(
            f"one exchange: {speed['p50_ms']:.1f} ms, 95 % within {speed['p95_ms']:.1f} ms (n = {speed['n']})"
        )
    if json_out:
        from dataclasses import asdict

        whole = {
            "model": str(model),
            "version": reward.version,
            "labelled": [one.as_json() for one in labelled],
            "pairs": {name: asdict(figure) for name, figure in pairs.items()},
            "prompts": [asdict(one) for one in found],
            "latency": speed,
        }
        json_out.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    if chart and labelled:
        from guardrails.reward import charts

        charts.draw(labelled, f"{model.name} {reward.version}", chart)


# The rate a threshold is set for, and what comes of it: the last columns of two tables.
AT = ("for", "threshold", "false positives", "recall")


def _tables(labelled: list[Labels], pairs: dict[str, Figure], prompts: list[Prompts]) -> list[Table]:
    from rich.table import Table

    tables = []
    if labelled:
        table = Table("labelled set", "safe", "unsafe", "AUROC", "AUPRC", *AT)
        for one in labelled:
            for rate in RATES:
                first = rate == RATES[0]
                table.add_row(
                    one.name if first else "",
                    str(one.found.safe) if first else "",
                    str(one.found.unsafe) if first else "",
                    _shown(one.found.auroc, 1) if first else "",
                    _shown(one.found.auprc, 1) if first else "",
                    f"{rate:.0%}",
                    f"{one.found.thresholds[rate]:.3f}",
                    f"{100 * one.found.false_positives[rate]:.1f} %",
                    _shown(one.found.recall[rate]),
                )
        tables.append(table)
    if pairs:
        table = Table("pairs", "chosen scores higher")
        for name, figure in pairs.items():
            table.add_row(name, _shown(figure))
        tables.append(table)
    if prompts:
        table = Table("harmful prompts", "n", *AT)
        for of in prompts:
            table.add_row(
                of.name,
                str(of.harmful),
                f"{of.rate:.0%}",
                f"{of.threshold:.3f}",
                f"{_shown(of.false_positives)} of {of.benign}",
                _shown(of.recall),
            )
        tables.append(table)
    return tables


def _shown(figure: Figure, scale: float = 100) -> str:
    """A share in per cent, or an area, with its interval."""
    if scale == 1:
        return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"
    return f"{scale * figure.value:.1f} % ({scale * figure.low:.1f}-{scale * figure.high:.1f})"
