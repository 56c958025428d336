"""Our own arms: no guard, the commit window with rules, and with a judge that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from benchmarks.guard.texts import FIRST, PHRASE, SECOND, VIOLATION
from benchmarks.peers.serve import Arm, Note, Stream
from guardrails.audit import Audit
from guardrails.gate import CommitWindow, Gate, OpenGate
from guardrails.guard import build
from guardrails.judge import Exchange, Verdict
from guardrails.messages import Message
from guardrails.policy import load

PROMPT = (Message("system", "You tell of a small town."), Message("user", "Tell me about the town."))
JUDGE_MS = (0, 20, 50)
RULES = f"""
[[rules]]
id = "planted"
category = "spc"
where = "reply"
phrases = ["{PHRASE}"]
patterns = ["{FIRST}.*{SECOND}"]
"""


class LateJudge:
    """Finds the planted violation after so many milliseconds, as a model elsewhere would."""

    name = "late"
    version = "1"

    def __init__(self, milliseconds: int) -> None:
        self._seconds = milliseconds / 1000

    async def judge(self, exchange: Exchange) -> Verdict:
        await asyncio.sleep(self._seconds)
        return Verdict(self.name, self.version, VIOLATION.search(exchange.reply) is None)


def arms(folder: Path) -> dict[str, Arm]:
    """Each guard under its name; rules and audit logs are kept in `folder`."""
    rules = folder / "planted.toml"
    rules.write_text(RULES, encoding="utf-8")
    policy = load("balanced").model_copy(update={"reward_model": None, "rule_files": (str(rules),)})
    guard = build(policy, audit=folder / "rules.jsonl")
    found = {
        "no guard": Arm(_through(OpenGate()), "every piece as it comes"),
        "rules": Arm(_through(guard.gate), "the shipped rules and one for what is planted, audit log on"),
    }
    for milliseconds in JUDGE_MS:
        log = Audit(folder / f"{milliseconds}.jsonl", policy="benchmark")
        gate = CommitWindow([LateJudge(milliseconds)], audit=log)
        setting = f"one judge that answers after {milliseconds} ms, audit log on"
        found[f"judge {milliseconds} ms"] = Arm(_through(gate), setting)
    return found


def _through(gate: Gate) -> Stream:
    async def stream(source: AsyncIterator[str], note: Note) -> AsyncGenerator[str, None]:
        async for released in gate.release(PROMPT, source):
            if isinstance(released, str):
                yield released

    return stream
