"""The figures as tables."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.guard import latency, throughput
from benchmarks.guard.coverage import Count
from benchmarks.guard.latency import Measured
from benchmarks.guard.texts import PHRASE
from benchmarks.guard.throughput import Speed


def leaks(counts: Mapping[str, Count]) -> Table:
    """What was shown without a verdict, arm by arm."""
    table = Table(
        "what guards",
        "texts",
        "characters\nshown",
        "before\nany verdict",
        "without all\nbefore them",
        "violations\nshown whole",
        "phrase's characters\nshown, mean",
        "clean texts\ncut",
        title="Leak: random chunkings",
    )
    for name, found in counts.items():
        table.add_row(
            name,
            f"{found.texts:,}",
            f"{found.characters:,}",
            f"{found.unjudged:,}",
            f"{found.out_of_context:,}",
            f"{found.whole:,} of {found.violations:,}",
            f"{found.parts / found.phrases:.1f}" if found.phrases else "",
            f"{found.cut} of {found.clean:,}",
        )
    return table


def latencies(measured: Mapping[str, Measured]) -> Table:
    """When the first character and the last came, beside the arm without a guard."""
    table = Table(
        "what guards",
        "first character, ms:\nmedian",
        "95 %\nwithin",
        "added:\nmedian",
        "whole time\nto no guard's",
        "n",
        title=f"Latency: {latency.TOKENS} tokens, one every {1000 * latency.TOKEN_SECONDS:g} ms",
    )
    baseline = measured[latency.BASELINE]
    for name, found in measured.items():
        first = [1000 * seconds for seconds in found.first]
        table.add_row(
            name,
            f"{median(first):.1f}",
            f"{p95(first):.1f}",
            f"{found.added_ms(baseline):.1f}",
            f"{found.ratio(baseline):.3f}",
            str(len(first)),
        )
    return table


def violations(measured: Mapping[str, Measured]) -> Table:
    """What was shown and written when the text held a phrase that the guard is to stop."""
    table = Table(
        "what guards",
        "its characters shown:\nmedian",
        "\nmost",
        "shown\nwhole",
        "tokens shown after it:\nmedian",
        "\nmost",
        "written after it:\nmedian",
        title=f"The same with a violation of {len(PHRASE)} characters in it",
    )
    for name, found in measured.items():
        table.add_row(
            name,
            f"{median(found.parts):g}",
            str(max(found.parts)),
            f"{found.whole} of {len(found.parts)}",
            f"{median(found.shown_after):g}",
            str(max(found.shown_after)),
            f"{median(found.written_after):g}",
        )
    return table


def speeds(found: Mapping[int, Mapping[str, Speed]]) -> Table:
    """By number of streams, each beside no guard."""
    table = Table("replies at once", "guard", "tokens/s,\nmedian", "least", "most", "ratio to\noff", "n", "blocked")
    table.title = "Throughput: the bundled model, eight prompts a round"
    for streams, arms in found.items():
        for name, speed in arms.items():
            rates = [f"{rate:.1f}" for rate in (median(speed.rates), min(speed.rates), max(speed.rates))]
            ratio = f"{speed.ratio(arms[throughput.BASELINE]):.3f}"
            table.add_row(str(streams), name, *rates, ratio, str(len(speed.rates)), str(speed.blocked))
    return table


def settings(console: Console, found: Mapping[str, str]) -> None:
    """How each arm was set."""
    for name, setting in found.items():
        console.print(f"[bold]{name}[/bold]: {setting}")


def p95(values: list[float]) -> float:
    """The value that 95 % do not exceed."""
    return sorted(values)[int(0.95 * (len(values) - 1))]
