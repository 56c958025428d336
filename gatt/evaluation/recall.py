"""Recall by turn: every arm is asked the same probes on branches of the same dialogues.

At turn t the branch is the first t - 1 exchanges and the probe as user message t. The dialogue itself never has
a probe in it (the paper asked in the dialogue; a question asked there reminds the model). The probes of one dialogue
are asked in rising order, as one session of the engine, so that what they share is computed once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from assistant.sampling import Sampling
from assistant.window import Exchanged
from gatt.evaluation.arms import Arm, exchange
from gatt.evaluation.cases import Case, Probe, obeys
from gatt.evaluation.histories import HistoryKind, compliant, seed_of, violating
from gatt.evaluation.journal import Journal, Record
from gatt.evaluation.material import Material
from gatt.evaluation.meter import Meter

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured and how. `max_tokens` limits a reply and is kept free in the window for it."""

    turns: tuple[int, ...]
    histories: tuple[HistoryKind, ...]
    seed: int = 0
    max_tokens: int = 64
    temperature: float = 0.0
    tries: int = 4
    concurrency: int = 32

    @property
    def last(self) -> int:
        return max(self.turns)


@dataclass
class Recall:
    """Runs a plan; every reply ends up in the journal, under "probe/..." or "own/..."."""

    plan: Plan
    cases: Sequence[Case]
    arms: Sequence[Arm]
    helper: Arm
    source: Material
    journal: Journal
    meter: Meter
    skipped: int = field(default=0, init=False)

    async def run(self) -> None:
        """All histories, one arm after the other: arms on one engine at once would share out its caches.

        Raises:
            EngineError, GattError: as they come; what is finished is in the journal.
        """
        for kind in self.plan.histories:
            if kind == "own":
                for arm in self.arms:
                    await self._each(f"own, {arm.name}", self.plan.last + self._probes(), partial(self._own, arm))
            else:
                histories = await self._histories(kind)
                for arm in self.arms:
                    await self._each(f"{kind}, {arm.name}", self._probes(), partial(self._given, arm, kind, histories))

    def _probes(self) -> int:
        """Probes of one case, at most."""
        return max(sum(map(len, case.probes.values())) for case in self.cases)

    async def _histories(self, kind: HistoryKind) -> dict[int, list[Exchanged]]:
        plan, histories = self.plan, dict[int, list[Exchanged]]()

        async def make(case: Case, done: Callable[[], None]) -> None:
            histories[case.number], skipped = await compliant(
                case,
                self.helper,
                self.journal,
                turns=plan.last - 1,
                tries=plan.tries,
                max_tokens=plan.max_tokens,
                seed=plan.seed,
            )
            self.skipped += skipped
            done()

        if kind == "compliant":
            await self._each("compliant answers", 1, make)
        else:
            for case in self.cases:
                histories[case.number] = violating(case, self.source, turns=plan.last - 1, seed=plan.seed)
        return histories

    async def _given(
        self, arm: Arm, kind: HistoryKind, histories: dict[int, list[Exchanged]], case: Case, done: Callable[[], None]
    ) -> None:
        history = histories[case.number]
        for turn, probes in case.probes.items():
            if turn - 1 <= len(history):
                for probe in probes:
                    await self.probe(arm, kind, case, turn, probe, history[: turn - 1])
                    done()

    async def _own(self, arm: Arm, case: Case, done: Callable[[], None]) -> None:
        """The arm lives the dialogue; at measured turns it is asked on the side."""
        history: list[Exchanged] = []
        dropped = 0
        for turn in range(1, self.plan.last + 1):
            for probe in case.probes.get(turn, ()):
                await self.probe(arm, "own", case, turn, probe, history, dropped)
                done()
            user = case.said[turn - 1].user
            make = partial(self._live, arm, case, turn, history, user, dropped)
            record = await self.journal.once(f"own/{arm.name}/{case.number}/{turn}", make)
            dropped = record["dropped_turns"]
            history.append(exchange(user, record["reply"]))
            done()

    async def _live(
        self, arm: Arm, case: Case, turn: int, history: Sequence[Exchanged], user: str, dropped: int
    ) -> Record:
        record = await self._answer(arm, "own", case, turn, "dialogue", history, user, dropped)
        kept = {one.family: obeys(one, record["reply"], user) for one in case.style()}
        return {"arm": arm.name, "case": case.number, "turn": turn, **record, "kept": kept}

    async def probe(
        self,
        arm: Arm,
        kind: HistoryKind,
        case: Case,
        turn: int,
        probe: Probe,
        history: Sequence[Exchanged],
        dropped: int = 0,
    ) -> Record:
        """Ask one probe after `history`, which is left as it is."""
        family = probe.constraint.family

        async def answer() -> Record:
            return await self._answer(arm, kind, case, turn, family, history, probe.question, dropped)

        async def ask() -> Record:
            # At turn 1 nothing was said before: it is the same for every kind of history, so asked only once.
            first = f"first/{arm.name}/{case.number}/{family}"
            record = await (self.journal.once(first, answer) if turn == 1 else answer())
            return {
                "arm": arm.name,
                "history": kind,
                "case": case.number,
                "turn": turn,
                "family": family,
                "value": probe.constraint.value,
                "held_out": probe.held_out,
                **record,
                "passed": probe.passed(record["reply"]),
            }

        return await self.journal.once(f"probe/{kind}/{arm.name}/{case.number}/{turn}/{family}", ask)

    async def _answer(
        self,
        arm: Arm,
        kind: HistoryKind,
        case: Case,
        turn: int,
        what: str,
        history: Sequence[Exchanged],
        user: str,
        dropped: int,
    ) -> Record:
        plan = self.plan
        prompt = arm.prompt(case.text, history, user, reserve=plan.max_tokens, dropped_turns=dropped)
        sampling = Sampling(
            temperature=plan.temperature,
            max_tokens=plan.max_tokens,
            seed=seed_of(plan.seed, kind, case.number, turn, what),
        )
        reply = await arm.reply(prompt, sampling, session=f"{kind}/{arm.name}/{case.number}")
        return {
            "user": user,
            "reply": reply.text,
            "finish": reply.finish,
            "reply_tokens": reply.tokens,
            "prompt_tokens": len(prompt.ids),
            "cached_tokens": reply.cached,
            "reminder_tokens": prompt.reminder_tokens,
            "dropped_turns": prompt.dropped_turns,
        }

    async def _each(self, name: str, pieces: int, work: Callable[[Case, Callable[[], None]], Awaitable[None]]) -> None:
        with self.meter.part(name, pieces * len(self.cases)) as done:
            await bounded([partial(work, case, done) for case in self.cases], self.plan.concurrency)


async def bounded(works: Iterable[Callable[[], Awaitable[T]]], most: int) -> list[T]:
    """Results of all works, `most` of them at a time; the first failure stops the others and is raised as it is."""
    slots = asyncio.Semaphore(most)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with slots:
            return await work()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
