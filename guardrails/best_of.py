"""Best of n: the best of several replies, if one is good enough (Llama 2, section 3.2.3, with a floor)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from guardrails.audit import Audit, recorded
from guardrails.judge import Exchange, Verdict
from guardrails.messages import Message
from guardrails.reward.combine import SAFETY_THRESHOLD, ranked
from guardrails.reward.scorer import Scorer

NAME = "best-of-n"


class BestOf:
    """Ranks candidates by safety and helpfulness together; safety alone where there is no other model."""

    def __init__(
        self,
        safety: Scorer,
        helpfulness: Scorer | None,
        *,
        n: int,
        floor: float,
        seconds: float = 10.0,
        fail_open: bool = False,
        audit: Audit | None = None,
    ) -> None:
        """`floor` is the least safety, a probability, that a reply must have however good the others are."""
        self.n = n
        self._safety = safety
        self._helpfulness = helpfulness
        self._floor = floor
        self._seconds = seconds
        self._fail_open = fail_open
        self._audit = audit

    async def pick(
        self, prompt: Sequence[Message], candidates: Sequence[str], conversation: str = ""
    ) -> tuple[int, Verdict]:
        """Which candidate, and the verdict on it: where it does not pass, none is good enough, or none was judged."""
        said = tuple(prompt)
        index = 0
        try:
            async with asyncio.timeout(self._seconds):
                index, verdict = await self._pick(said, candidates)
        except Exception as error:
            why = f"no verdict: {type(error).__name__}"
            verdict = self._verdict(self._fail_open, None, why, unavailable=True)
        exchange = Exchange(said, candidates[index])
        return index, await recorded(verdict, exchange, conversation, self._audit, fail_open=self._fail_open)

    async def _pick(self, prompt: tuple[Message, ...], candidates: Sequence[str]) -> tuple[int, Verdict]:
        exchanges = [Exchange(prompt, text) for text in candidates]
        asked = Exchange(prompt, "")
        of_prompt, *safety = await asyncio.gather(*map(self._safety.score, (asked, *exchanges)))
        if not all(map(math.isfinite, safety)):
            raise ArithmeticError
        helpful = safety
        if self._helpfulness is not None:
            helpful = await asyncio.gather(*map(self._helpfulness.score, exchanges))
        order = ranked(safety, helpful, sensitive=not of_prompt >= SAFETY_THRESHOLD, floor=self._floor)
        if order:
            return order[0], self._verdict(True, safety[order[0]])
        best = max(range(len(safety)), key=safety.__getitem__)
        return best, self._verdict(False, safety[best], f"none of {len(safety)} replies is safe enough")

    def _verdict(self, passed: bool, score: float | None, reason: str = "", *, unavailable: bool = False) -> Verdict:
        version = self._safety.version
        return Verdict(NAME, version, passed, "final", score, self._floor, reason, unavailable=unavailable)
