"""Examples as the lines of files that `guardrails train`, `calibrate` and `eval` read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from guardrails.reward.data import Pair
from recipes.bundled_safety.sources import Example, prompt_of


def row(one: Example) -> dict[str, object]:
    """See `guardrails.reward.data`."""
    prompt = [[message.role, message.content] for message in prompt_of(one)]
    if isinstance(one, Pair):
        return {"src": one.source, "prompt": prompt, "chosen": one.chosen.reply, "rejected": one.rejected.reply}
    if one.exchange.reply:
        return {"src": one.source, "prompt": prompt, "response": one.exchange.reply, "unsafe": int(not one.safe)}
    return {"src": one.source, "prompt": prompt, "harmful": int(not one.safe)}


def write(path: Path, examples: Iterable[Example]) -> None:
    """One line an example; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as lines:
        for one in examples:
            lines.write(json.dumps(row(one), ensure_ascii=False) + "\n")
    part.replace(path)
