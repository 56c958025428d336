"""IFEval with its constraints in the system message, through the product's own verifiers.

A row: `messages` (system, user), `instruction_id_list` and `kwargs`, as in the public sys_ifeval set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assistant.sampling import Sampling
from assistant.window import ContextError
from gatt.errors import GattError
from gatt.evaluation.arms import Arm
from gatt.evaluation.journal import Journal, Record
from gatt.evaluation.meter import Meter
from gatt.evaluation.recall import bounded
from guardrails.checks.check import Check
from guardrails.checks.ifeval import instructions_of
from guardrails.statistics import Share

MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt; each of its instructions is met when all of that instruction's checks pass."""

    system: str
    user: str
    instructions: tuple[tuple[Check, ...], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Strict accuracy: prompts of which every instruction is met, and instructions met."""

    arm: str
    prompts: Share
    instructions: Share


def read(path: Path) -> list[Task]:
    """The tasks of a JSONL file. Raises GattError naming the line that is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GattError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    tasks = []
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text.strip() else [], 1):
        try:
            row = json.loads(line)
            said = {message["role"]: message["content"] for message in row["messages"]}
            met = tuple(tuple(checks) for checks in instructions_of(row))
            tasks.append(Task(said.get("system", ""), said["user"], met))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GattError(
                f"{path} line {number} is no sys_ifeval row ({error}): "
                "it needs messages, instruction_id_list and kwargs"
            ) from error
    if not tasks:
        raise GattError(f"{path} has no rows: give the sys_ifeval set as JSONL")
    return tasks


async def measure(arm: Arm, tasks: Sequence[Task], journal: Journal, meter: Meter, *, concurrency: int) -> Score:
    """Greedy replies to all tasks, each scored strictly. Raises EngineError, GattError."""
    reserve = min(MAX_TOKENS, arm.engine.window // 2)

    async def ask(task: Task) -> Record:
        try:
            prompt = arm.prompt(task.system, [], task.user, reserve=reserve)
        except ContextError:
            return {"arm": arm.name, "reply": "", "finish": "too long for the window", "met": met(task, "")}
        reply = await arm.reply(prompt, Sampling(temperature=0, max_tokens=reserve))
        return {"arm": arm.name, "reply": reply.text, "finish": reply.finish, "met": met(task, reply.text)}

    with meter.part(f"sys_ifeval, {arm.name}", len(tasks)) as done:

        async def work(number: int, task: Task) -> Record:
            record = await journal.once(f"sys_ifeval/{arm.name}/{number}", partial(ask, task))
            done()
            return record

        records = await bounded([partial(work, *numbered) for numbered in enumerate(tasks)], concurrency)
    outcomes: list[list[Any]] = [record["met"] for record in records]
    flat = [one for outcome in outcomes for one in outcome]
    return Score(arm.name, Share(sum(map(all, outcomes)), len(outcomes)), Share(sum(flat), len(flat)))


def met(task: Task, reply: str) -> list[bool]:
    """Which instructions the reply meets; an empty reply meets none, as in IFEval."""
    return [bool(reply) and all(check.passes(reply, task.user) for check in checks) for checks in task.instructions]
