"""A whole evaluation, from settings to result."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assistant.engines.errors import EngineError
from assistant.settings import Settings
from gatt import families as all_families
from gatt.errors import GattError
from gatt.evaluation import quality, sys_ifeval
from gatt.evaluation.cases import draw_cases
from gatt.evaluation.histories import HistoryKind
from gatt.evaluation.journal import Journal
from gatt.evaluation.material import SHIPPED, Material, Said, read
from gatt.evaluation.meter import Meter
from gatt.evaluation.models import Contest, digest_of, open_contest
from gatt.evaluation.quality import Quality
from gatt.evaluation.recall import Plan, Recall
from gatt.evaluation.survival import Survival, survivals
from gatt.evaluation.sys_ifeval import Score
from gatt.evaluation.tables import Cell, Cost, cells, costs
from gatt.families import Split

HISTORIES: tuple[HistoryKind, ...] = ("compliant", "violating", "own")


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    arms: tuple[str, ...]
    plan: Plan
    n: int
    model: str | None = None
    baseline: str | None = None
    families: tuple[str, ...] = ()
    hold_out: tuple[str, ...] = ()
    lists: tuple[Path, ...] = ()
    values: Split = "test"
    source: Path = SHIPPED
    sys_ifeval: Path | None = None
    out: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class Result:
    """Everything that an evaluation found. `settings` suffice to repeat it."""

    settings: dict[str, Any]
    arms: tuple[str, ...]
    cells: list[Cell]
    costs: list[Cost]
    survival: list[Survival]
    quality: dict[str, Quality]
    sys_ifeval: list[Score]
    skipped_user_turns: int
    seconds: dict[str, float] = field(default_factory=dict)


def journal_path(out: Path) -> Path:
    """Single outcomes are kept beside the JSON of the result."""
    return out.with_name(f"{out.stem}.items.jsonl")


async def evaluate(request: Request, settings: Settings) -> Result:
    """Run what is not yet in the journal, and put the figures together.

    Raises:
        GattError, EngineError, OSError: as they come; what is finished is in the journal.
    """
    families = all_families.load(*request.lists)
    named = (*request.families, *request.hold_out) if request.families else ()
    all_families.chosen(families, request.hold_out)  # their names are known
    names = all_families.chosen(families, named)
    source = read(request.source)
    tasks = sys_ifeval.read(request.sys_ifeval) if request.sys_ifeval else []
    plan = request.plan
    if "violating" in plan.histories and not source.answers:
        raise GattError("the source has user turns only, so there is no violating history: leave it out of --history")
    contest = open_contest(settings, request.arms, request.model, request.baseline)
    try:
        source = fitting(source, contest)
        cases = draw_cases(
            families,
            names,
            request.hold_out,
            source,
            turns=plan.turns,
            n=request.n,
            seed=plan.seed,
            values=request.values,
        )
        described = describe(request, contest, names, source.sha256)
        journal = Journal(journal_path(request.out) if request.out else None, described, resume=request.resume)
        try:
            meter = Meter()
            recall = Recall(plan, cases, contest.arms, contest.helper, source, journal, meter)
            await recall.run()
            guard = await _quality(contest, source, journal, meter, plan)
            scores = [
                await sys_ifeval.measure(arm, tasks, journal, meter, concurrency=plan.concurrency)
                for arm in (contest.arms if tasks else ())
            ]
        except EngineError as error:
            where = f"; what is finished is in {journal.path}: the same command with --resume goes on"
            raise GattError(f"{error}{where if journal.path else ''}") from error
        finally:
            journal.close()
    finally:
        await contest.close()
    arms = [arm.name for arm in contest.arms]
    probes = [record for key, record in journal.records.items() if key.startswith("probe/")]
    lived = [record for key, record in journal.records.items() if key.startswith("own/")]
    asked = {name: bool(family.probes) for name, family in families.items()}
    return Result(
        {**described, "concurrency": plan.concurrency, "versions": _versions()},
        tuple(arms),
        cells(probes, arms, asked),
        costs(probes, arms),
        survivals(lived, probes, arms, asked, request.hold_out),
        guard,
        scores,
        recall.skipped,
        meter.seconds,
    )


def fitting(source: Material, contest: Contest) -> Material:
    """The source without messages that take more than half of some arm's window: they leave no room for the rest."""

    def too_long(said: Said) -> bool:
        return any(2 * arm.engine.template.count(said.user) > arm.engine.window for arm in contest.arms)

    return source.without(too_long)


def describe(request: Request, contest: Contest, names: Sequence[str], source_digest: str) -> dict[str, Any]:
    """What the outcomes depend on: a resumed run must have the same."""
    plan = asdict(request.plan)
    del plan["concurrency"]
    return {
        **plan,
        "n": request.n,
        "arms": {
            arm.name: {
                "model": contest.models[arm.name].name,
                "sha256": contest.models[arm.name].digest,
                "window": arm.engine.window,
                "reminds": arm.reminds,
            }
            for arm in contest.arms
        },
        "families": list(names),
        "held_out": list(request.hold_out),
        "values": request.values,
        "families_sha256": digest_of(all_families.SHIPPED, *request.lists),
        "source": request.source.name,
        "source_sha256": source_digest,
        "sys_ifeval_sha256": digest_of(request.sys_ifeval) if request.sys_ifeval else None,
    }


async def _quality(
    contest: Contest, source: Material, journal: Journal, meter: Meter, plan: Plan
) -> dict[str, Quality]:
    """One measurement a model: without an instruction there is nothing to remind of."""
    found: dict[str, Quality] = {}
    for arm in contest.arms:
        if not arm.reminds:
            folder = contest.models[arm.name].folder
            found[arm.name] = await quality.measure(
                arm, folder, source, journal, meter, max_tokens=plan.max_tokens, concurrency=plan.concurrency
            )
    return found


def _versions() -> dict[str, str]:
    packages = ("steadfast", "torch", "transformers", "tokenizers")
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": f"{sys.platform} {platform.machine()}, {os.cpu_count()} cores",
    }
