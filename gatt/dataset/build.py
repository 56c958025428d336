"""Building a Ghost Attention dataset: many dialogues at once, each finished one kept, the same rows for the same seed.

A dialogue is started as long as the rows kept and those in the making are fewer than wanted. So the numbers tried are
0, 1, 2, ... up to the last one needed, whatever the concurrency and however often the run was resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Engine
from gatt.audit import audit
from gatt.dataset.journal import Journal, Outcome
from gatt.dataset.manifest import Manifest, read_manifest
from gatt.dataset.manifest import settings as settings_of
from gatt.dataset.plan import Options, Plan, plan
from gatt.dataset.sampling import Dropped, Reward, Tools, distill, make
from gatt.dataset.selfplay import written
from gatt.dataset.shards import finish, require_parquet
from gatt.dataset.sources import Source
from gatt.errors import GattError
from gatt.families import Family, chosen
from guardrails.rendering import ChatTemplate

# A run gives up after so many tries a row wanted, and never before this many.
MOST_TRIES = 10
FEWEST_TRIES = 50

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is built from what; `progress` is told rows kept and dropped.

    `reward` ranks the candidates. The files in `model_folder` and `reward_folder` are hashed into the manifest.
    """

    engine: Engine
    source: Source
    options: Options
    families: Mapping[str, Family]
    reward: Reward | None = None
    model_folder: Path | None = None
    reward_folder: Path | None = None
    concurrency: int = 32
    progress: Progress = lambda kept, dropped: None


async def build(job: Job, out: Path, *, resume: bool = False) -> Manifest:
    """Build the dataset in the folder `out`, or go on with one there.

    Raises:
        GattError: the template is unfit, the settings do not go together or differ from those resumed, the engine
            died, the disk is full, or no row could be kept. Finished rows stay in the journal.
    """
    template = job.engine.template
    # A server's own template cannot be looked at from here.
    for finding in audit(template) if isinstance(template, ChatTemplate) else ():
        if finding.kind == "fault":
            raise GattError(f"{job.engine.model}: {finding.what}. Fix: {finding.fix}. See `gatt audit-template`")
    options = job.options
    if options.max_tokens >= job.engine.window:
        raise GattError(f"--max-tokens {options.max_tokens} fills the model's window of {job.engine.window}: lower it")
    if options.distill_prefix is not None and job.reward is None:
        raise GattError("context distillation needs a reward model: give --reward")
    if options.distill_prefix is not None and job.source.topics:
        raise GattError("context distillation needs prompts: give --source")
    names = [] if options.distill_prefix is not None else chosen(job.families, options.families, options.held_out)
    require_parquet()
    settings: dict[str, Any] = settings_of(job)
    if resume and (finished := read_manifest(out)):
        finished.require(settings, out)
        return finished
    journal = Journal.resume(out, settings) if resume else Journal.start(out, settings)
    try:
        await _run(job, names, journal)
        outcomes = _wanted([journal.outcomes[number] for number in sorted(journal.outcomes)], options.n)
        manifest = Manifest.of(settings, outcomes)
        if not manifest.kept:
            commonest = ", ".join(f"{reason} ({count})" for reason, count in list(manifest.dropped.items())[:3])
            raise GattError(
                f"none of {len(outcomes)} rows could be kept: {commonest}. "
                "Try a stronger model, more candidates (--k), or other --families"
            )
        return finish(out, manifest, [outcome.row for outcome in outcomes if outcome.row])
    finally:
        journal.close()


async def _run(job: Job, names: list[str], journal: Journal) -> None:
    """Fill the journal until it has the rows wanted."""
    limit = max(MOST_TRIES * job.options.n, FEWEST_TRIES)
    kept = sum(outcome.row is not None for outcome in journal.outcomes.values())
    job.progress(kept, len(journal.outcomes) - kept)
    running: set[asyncio.Task[list[Outcome]]] = set()
    rows = job.options.per_dialogue
    number = 0
    try:
        while True:
            while (
                (kept + rows * len(running) < job.options.n or not running)
                and kept < job.options.n
                and len(running) < job.concurrency
                and number < limit
            ):
                numbers = range(number, number + rows)
                if not journal.outcomes.keys() >= set(numbers):
                    plans = [plan(one, job.options, job.source, job.families, names) for one in numbers]
                    running.add(asyncio.create_task(_rows(plans, job)))
                number += rows
            if not running:
                return
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            failure: BaseException | None = None
            for task in finished:  # a failure costs none of the rows that finished beside it
                if error := task.exception():
                    failure = error
                    continue
                for outcome in task.result():
                    journal.add(outcome)
            kept = sum(outcome.row is not None for outcome in journal.outcomes.values())
            job.progress(min(kept, job.options.n), len(journal.outcomes) - kept)
            if isinstance(failure, EngineError):
                raise GattError(
                    f"the engine failed: {failure}. {len(journal.outcomes)} finished rows are kept: "
                    "run the same command again with --resume"
                ) from failure
            if failure:
                raise failure
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _rows(plans: list[Plan], job: Job) -> list[Outcome]:
    """What becomes of the rows of one dialogue, the shortest first. Raises EngineError."""
    tools = Tools(job.engine, job.options, job.reward)
    make_row = make if job.options.distill_prefix is None else distill
    outcomes = []
    unwritten: str | None = None
    try:
        plans = await written(plans, tools)
    except Dropped as dropped:
        unwritten = dropped.reason
    for made in plans:
        row, reason = None, unwritten
        if unwritten is None:
            try:
                row = await make_row(made, tools)
            except Dropped as dropped:
                reason = dropped.reason
        outcomes.append(
            Outcome(
                number=made.number,
                row=row,
                reason=reason,
                families=made.families(),
                turns=row.turns if row else made.length,
                planned_turns=made.length,
                chained=made.chained,
                refused=dict(sorted(tools.refused.items())),
            )
        )
        tools.refused.clear()
    return outcomes


def _wanted(outcomes: list[Outcome], n: int) -> list[Outcome]:
    """The outcomes up to that of row `n` kept: the last dialogue may have made more rows than were wanted."""
    kept = 0
    for at, outcome in enumerate(outcomes, 1):
        kept += outcome.row is not None
        if kept == n:
            return outcomes[:at]
    return outcomes
