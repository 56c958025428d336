"""The public test sets: what of them must not be trained on, and what of them is measured."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from recipes.bundled_safety.config import HERE, Evaluation


def texts(folder: Path, one: Evaluation, columns: Sequence[str]) -> list[str]:
    """The texts of the columns, each once; of a list of turns every turn."""
    path = folder / one.file
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines)) if path.suffix == ".csv" else [json.loads(line) for line in lines]
    values = (row[column] for row in rows for column in columns)
    found = (text for value in values for text in (value if isinstance(value, list) else [value]))
    return list(dict.fromkeys(text for text in found if text and text.strip()))


def sounds_harmful() -> list[str]:
    """Harmless questions in the words of harmful ones, written here to be measured on."""
    return (HERE / "sounds_harmful.txt").read_text("utf-8").splitlines()


def forbidden(evaluations: Iterable[Evaluation], folder: Path) -> list[str]:
    """Everything that anything trained on may not be near."""
    return [text for one in evaluations for text in texts(folder, one, one.columns)] + sounds_harmful()


def prompts(evaluations: Iterable[Evaluation], folder: Path) -> list[str]:
    """The prompts that are measured on, harmful and benign."""
    return [text for one in evaluations if one.role != "other" for text in texts(folder, one, one.columns[:1])]
