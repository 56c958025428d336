"""The result as tables on a terminal and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gatt.evaluation.run import Result
from gatt.evaluation.tables import ALL, GROUPS, HELD_OUT, Cell
from guardrails.statistics import Share

FEW = 30


def show(result: Result, console: Console) -> None:
    """Recall by turn and arm, by family, survival, cost, quality, sys_ifeval."""
    histories = list(dict.fromkeys(cell.history for cell in result.cells))
    for history in histories:
        for group in GROUPS:
            of_group = [cell for cell in result.cells if (cell.history, cell.group) == (history, group)]
            totals = [cell for cell in of_group if cell.family == ALL]
            if totals:
                console.print(_by_turn(f"{group}, {history} history: recall in %, 95 % interval", totals, result.arms))
    for history in histories:
        console.print(_by_family(history, [cell for cell in result.cells if cell.history == history], result))
    for group in dict.fromkeys(one.group for one in result.survival):
        console.print(_survival(result, group))
    console.print(_cost(result))
    console.print(_quality(result))
    if result.sys_ifeval:
        console.print(_sys_ifeval(result))
    if result.skipped_user_turns:
        console.print(f"{result.skipped_user_turns} user turns were skipped: no compliant answer to them was found")
    console.print("seconds: " + ", ".join(f"{part} {seconds:.0f}" for part, seconds in result.seconds.items()))


def percent(share: Share) -> str:
    """The share with its interval; never rounded up to 100."""
    low, high = (100 * bound for bound in share.interval)
    value = 100 * share.value
    shown = "100" if share.passed == share.n else f"{min(value, 99.9):.1f}"
    return f"{shown} [dim]\\[{low:.0f}, {high:.0f}][/dim]"


def _by_turn(title: str, cells: Sequence[Cell], arms: Sequence[str]) -> Table:
    turns = sorted({cell.turn for cell in cells})
    table = Table("arm", *(f"turn {turn}" for turn in turns), title=title, title_justify="left")
    at = {(cell.arm, cell.turn): cell for cell in cells}
    for arm in arms:
        table.add_row(arm, *(percent(at[arm, turn].share) if (arm, turn) in at else "-" for turn in turns))
    table.add_row("[dim]n[/dim]", *_sizes(at, arms, turns))
    for arm in arms[1:]:
        if any((arm, turn) in at for turn in turns):
            table.add_row(f"[dim]p, {arm} v. {arms[0]}[/dim]", *(_p(at.get((arm, turn))) for turn in turns))
    return table


def _sizes(at: dict[tuple[str, int], Cell], arms: Sequence[str], turns: Iterable[int]) -> list[str]:
    sizes = []
    for turn in turns:
        found = sorted({at[arm, turn].share.n for arm in arms if (arm, turn) in at})
        sizes.append("[dim]" + "-".join(str(n) for n in found) + "[/dim]")
    return sizes


def _p(cell: Cell | None) -> str:
    if cell is None or cell.against is None:
        return "-"
    shown = "< 0.001" if cell.against.p < 0.001 else f"{cell.against.p:.3f}"
    return f"[dim]{shown}{', apart' if cell.apart else ''}[/dim]"


def _by_family(history: str, cells: Sequence[Cell], result: Result) -> Table:
    turns = sorted({cell.turn for cell in cells})
    some = [turn for turn in turns if turn in (1, 20, max(turns))]
    heads = [f"{arm}, turn {turn}" for turn in some for arm in result.arms]
    title = f"by family, {history} history: recall in % (n)"
    table = Table("family", *heads, title=title, title_justify="left")
    at = {(cell.group, cell.family, cell.arm, cell.turn): cell.share for cell in cells if cell.family != ALL}
    for group, family in dict.fromkeys((cell.group, cell.family) for cell in cells if cell.family != ALL):
        shares = [at.get((group, family, arm, turn)) for turn in some for arm in result.arms]
        label = f"{family} (held out)" if group == HELD_OUT else family
        table.add_row(label, *(f"{100 * share.value:.0f} ({share.n})" if share else "-" for share in shares))
    return table


def _survival(result: Result, group: str) -> Table:
    of_group = [one for one in result.survival if one.group == group]
    turns = [turn for turn in result.settings["turns"] if turn in of_group[0].turns]
    table = Table("arm", *(f"turn {turn}" for turn in turns), "half lapsed by turn", "n", title_justify="left")
    table.title = f"{group}, survival in the arm's own history: % without a lapse so far (of those left, % that kept)"
    for one in of_group:
        shown = []
        for turn in turns:
            at = one.turns.index(turn)
            kept = f"{100 * one.conditional[at].value:.0f}" if one.conditional[at].n else "-"
            shown.append(f"{100 * one.curve[at].value:.0f} [dim]({kept})[/dim]")
        table.add_row(one.arm, *shown, str(one.half_lapsed or f"> {one.turns[-1]}"), str(one.curve[0].n))
    return table


def _cost(result: Result) -> Table:
    heads = ("history", "arm", "prompt tokens", "of these, reminder", "from the cache", "requests")
    table = Table(*heads, title="prompt tokens a request, mean", title_justify="left")
    for cost in result.costs:
        tokens = [f"{mean:.1f}" for mean in (cost.prompt, cost.reminder, cost.cached)]
        table.add_row(cost.history, cost.arm, *tokens, str(cost.requests))
    return table


def _quality(result: Result) -> Table:
    heads = ("arm", "bits per byte", "perplexity", "answers", "reply tokens", "distinct-2", "replies")
    table = Table(*heads, title="without any instruction", title_justify="left")
    for arm, one in result.quality.items():
        likelihood = [f"{value:.3f}" if value else "-" for value in (one.bits_per_byte, one.perplexity)]
        replies = (f"{one.reply_tokens:.1f}", f"{one.distinct2:.3f}", str(one.replies))
        table.add_row(arm, *likelihood, str(one.answers), *replies)
    return table


def _sys_ifeval(result: Result) -> Table:
    table = Table("arm", "prompts", "n", "instructions", "n", title="sys_ifeval, strict, in %", title_justify="left")
    for score in result.sys_ifeval:
        prompts, instructions = score.prompts, score.instructions
        table.add_row(score.arm, percent(prompts), str(prompts.n), percent(instructions), str(instructions.n))
    return table


def as_json(result: Result) -> dict[str, Any]:
    """Everything, shares with their intervals."""
    return {
        "settings": result.settings,
        "arms": list(result.arms),
        "recall": [
            {
                "history": cell.history,
                "group": cell.group,
                "family": cell.family,
                "arm": cell.arm,
                "turn": cell.turn,
                **share_json(cell.share),
                "against_first": {**asdict(cell.against), "p": cell.against.p, "intervals_apart": cell.apart}
                if cell.against
                else None,
            }
            for cell in result.cells
        ],
        "survival": [
            {
                "arm": one.arm,
                "group": one.group,
                "turns": list(one.turns),
                "half_lapsed_by_turn": one.half_lapsed,
                "no_lapse_through_turn": [share_json(share) for share in one.curve],
                "kept_given_no_lapse_before": [share_json(share) for share in one.conditional],
            }
            for one in result.survival
        ],
        "cost": [asdict(cost) for cost in result.costs],
        "quality": {arm: asdict(one) for arm, one in result.quality.items()},
        "sys_ifeval": [
            {"arm": one.arm, "prompts": share_json(one.prompts), "instructions": share_json(one.instructions)}
            for one in result.sys_ifeval
        ],
        "skipped_user_turns": result.skipped_user_turns,
        "seconds": result.seconds,
    }


def share_json(share: Share) -> dict[str, Any]:
    low, high = share.interval
    value = round(share.value, 6) if share.n else None
    return {"passed": share.passed, "n": share.n, "share": value, "low": round(low, 6), "high": round(high, 6)}


def write_json(content: dict[str, Any], path: Path) -> None:
    """Whole or not at all: a full disk leaves an earlier file as it was."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(part, path)
