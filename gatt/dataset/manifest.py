"""What a dataset was made from and with, and what was kept and dropped: `manifest.json` beside the rows.

It holds no times, so that two runs of the same settings make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gatt.dataset.journal import Outcome, same_settings
from gatt.errors import GattError

if TYPE_CHECKING:
    from gatt.dataset.build import Job
    from gatt.dataset.revalue import Revalued

NAME = "manifest.json"
PACKAGES = ("steadfast", "torch", "transformers", "tokenizers", "vllm", "pyarrow")
MODEL_FILES = ("*.safetensors", "*.json", "*.jinja")

NOTES = (
    "The instruction stands in the first turn (system message) alone; in sampling it was joined to every user message.",
    "Source dialogues shorter than the turns drawn are continued by others of the same source (`source` names all).",
    "Beyond the paper: where an instruction has a constraint that only a question brings out, a share of the rows "
    "(`ask`) ends with such a question instead of the source's own last user message.",
    "`history` original: answers before the last are the source's, or sampled without the instruction where it has "
    "none. constrained: sampled under the instruction and verified.",
    "Rows without families have no instruction (`plain`): the model's own answers to plain dialogues.",
)


class Kept(BaseModel):
    kept: int = 0
    dropped: int = 0


class Manifest(BaseModel):
    """`dropped` counts rows by reason, `refused` candidates by reason; `files` are SHA-256 by path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any]
    versions: dict[str, str]
    tried: int
    kept: int
    dropped: dict[str, int]
    refused: dict[str, int]
    families: dict[str, Kept]
    turns: dict[str, Kept]
    history: dict[str, int]
    terse: int
    changed: int
    probed: int
    chained: int
    shortened: int
    notes: tuple[str, ...] = NOTES
    files: dict[str, str] = {}

    @classmethod
    def of(cls, settings: dict[str, Any], outcomes: Sequence[Outcome]) -> Self:
        """Counts over all outcomes."""
        rows = [outcome.row for outcome in outcomes if outcome.row]
        return cls(
            settings=settings,
            versions=versions(),
            tried=len(outcomes),
            kept=len(rows),
            dropped=_by_count(Counter(outcome.reason for outcome in outcomes if outcome.reason)),
            refused=_by_count(sum((Counter(outcome.refused) for outcome in outcomes), Counter())),
            families=_kept((family, outcome) for outcome in outcomes for family in outcome.families),
            turns=_kept((f"{outcome.turns:02d}", outcome) for outcome in outcomes),
            history=dict(sorted(Counter(row.history for row in rows).items())),
            terse=sum(row.terse for row in rows),
            changed=sum(row.changed_at is not None for row in rows),
            probed=sum(row.probed is not None for row in rows),
            chained=sum(outcome.chained for outcome in outcomes if outcome.row),
            shortened=sum(outcome.row.turns < outcome.planned_turns for outcome in outcomes if outcome.row),
        )

    def revalued(self, made: Revalued, *, copies: int, seed: int) -> Self:
        """Of the same dataset with these copies added."""
        rows = made.rows
        why = "; ".join(f"{count} left out: {reason}" for reason, count in made.dropped.most_common())
        note = (
            f"{len(rows)} rows are copies of others with other values in place, which the model has not said itself "
            f"(`gatt revalue`, {copies} copies, seed {seed}; {why or 'none left out'}); dropped counts the others."
        )
        history = Counter(self.history) + Counter(row.history for row in rows)
        counts = {
            "kept": self.kept + len(rows),
            "terse": self.terse + sum(row.terse for row in rows),
            "probed": self.probed + sum(row.probed is not None for row in rows),
        }
        return self.model_copy(
            update={**counts, "history": dict(sorted(history.items())), "notes": (*self.notes, note)}
        )

    def require(self, settings: dict[str, Any], folder: Path) -> None:
        """Raises GattError where the dataset was built with other settings."""
        same_settings(self.settings, settings, folder)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a finished dataset; None where there is none. Raises GattError for a damaged one."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise GattError(f"{path} cannot be read: build the dataset again in another folder") from error


def settings(job: Job) -> dict[str, Any]:
    """What must be the same for a run to be gone on with: JSON values by name."""
    families = json.dumps({name: one.model_dump(mode="json") for name, one in sorted(job.families.items())})
    return {
        "model": job.engine.model,
        "model_sha256": hashes(job.model_folder) if job.model_folder else {},
        "engine": job.engine.name,
        "source": job.source.name,
        "source_sha256": job.source.sha256,
        "families_sha256": hashlib.sha256(families.encode()).hexdigest(),
        "reward_sha256": hashes(job.reward_folder) if job.reward_folder else {},
        **job.options.model_dump(mode="json", exclude={"families"}),
        "families": list(job.options.families),
    }


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of a model's weights, configuration, tokenizer and template, by file name."""
    files = sorted({file for pattern in MODEL_FILES for file in folder.glob(pattern)})
    return {file.name: sha256(file) for file in files}


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Of Python and of the packages that had a hand in it, where they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _by_count(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _kept(pairs: Iterable[tuple[str, Outcome]]) -> dict[str, Kept]:
    table: dict[str, Kept] = {}
    for name, outcome in pairs:
        entry = table.setdefault(name, Kept())
        if outcome.row:
            entry.kept += 1
        else:
            entry.dropped += 1
    return dict(sorted(table.items()))
