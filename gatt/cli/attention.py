"""`gatt attention`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def attention(
    models: Annotated[list[str], typer.Argument(help="Model folders or names: before, after.")],
    dialogue: Annotated[Path, typer.Option(help='JSON or JSONL, {"messages": [...]}: the first one is taken.')],
    out: Annotated[Path, typer.Option(help="The picture, .svg or .png: both are made, and .attention.json.")],
    instruction: Annotated[str, typer.Option(help="In place of the dialogue's own system message.")] = "",
    bin_size: Annotated[int, typer.Option("--bin", min=1, help="Neighbouring tokens in one cell.")] = 16,
    layers: Annotated[str, typer.Option(help="Such as 0,4-7; all when none are named.")] = "",
    heads: Annotated[str, typer.Option(help="Such as 0,2; all when none are named.")] = "",
) -> None:
    """Show how much attention the instruction still gets late in a dialogue, before and after tuning.

    The same given text for every model; a cell is the maximum over layers, heads and the tokens of its bin.

    \b
    Examples:
      gatt attention bundled tuned/model --dialogue wilde.json --out attention.svg
      gatt attention tuned/model --dialogue wilde.json --out attention.svg --layers 4-7 --bin 8
    """
    from dataclasses import asdict

    from assistant.settings import load_settings
    from gatt.evaluation import attention as attending
    from gatt.evaluation import attention_chart
    from gatt.evaluation.models import folder_of
    from gatt.evaluation.report import write_json
    from guardrails import pictures

    pictures.check(out)
    messages = attending.read_dialogue(dialogue, instruction)
    settings = load_settings()
    chosen_layers, chosen_heads = _numbers(layers, "--layers"), _numbers(heads, "--heads")
    folders = [folder_of(settings, model) for model in models]
    bins, heats = attending.measure(folders, messages, size=bin_size, layers=chosen_layers, heads=chosen_heads)
    over = f"layers {layers or 'all'}, heads {heads or 'all'}"
    caption = (
        f"Attention to “{_short(messages[0].content)}”\n"
        f"same given text of {bins.columns[-1].end} tokens; maximum over {over}; bins of {bin_size} tokens"
    )
    pictures.save(attention_chart.draw(bins, heats, models, caption), out, dpi=120)
    write_json(
        {
            "models": models,
            "layers": chosen_layers or "all",
            "heads": chosen_heads or "all",
            "bin": bin_size,
            "bins": asdict(bins),
            "turns": list(dict.fromkeys(bins.row_turns)),
            "heats": [asdict(heat) for heat in heats],
        },
        out.with_suffix(".attention.json"),
    )
    for model, heat in zip(models, heats, strict=True):
        turn = bins.row_turns[-1]
        typer.echo(
            f"{model}: attention to the instruction at turn 2 {heat.mass[0]:.3f} (peak {heat.peak[0]:.3f}), "
            f"at turn {turn} {heat.mass[-1]:.3f} (peak {heat.peak[-1]:.3f})"
        )


def _numbers(text: str, option: str) -> list[int]:
    from gatt.errors import GattError

    numbers: list[int] = []
    try:
        for part in text.split(",") if text else []:
            low, _, high = part.partition("-")
            several = range(int(low), int(high or low) + 1)
            if not several:
                raise ValueError
            numbers += several
    except ValueError:
        raise GattError(f"{option} takes numbers from 0, such as 0,4-7, not '{text}'") from None
    return numbers


def _short(text: str) -> str:
    return text if len(text) <= 70 else text[:69] + "…"
