"""Rules as a judge."""

from __future__ import annotations

import asyncio
import functools
import time

from guardrails.judge import Action, Exchange, Verdict, acted
from guardrails.messages import Message
from guardrails.rules.rules import Match, Rules

# Conversations whose prompts need not be read again at every window of the reply.
PROMPTS = 64


class RulesJudge:
    """Fails an exchange whose prompt or reply meets a rule; the reason names the rules, never the text.

    The category is the first one's.
    """

    name = "rules"

    def __init__(self, rules: Rules, action: Action = "block") -> None:
        """`action` is what follows a match."""
        self.version = rules.version
        self._rules = rules
        self._action: Action = action
        self._prompt_matches = functools.lru_cache(maxsize=PROMPTS)(self._read_prompt)

    async def judge(self, exchange: Exchange) -> Verdict:
        """See `guardrails.judge.Judge`. Raises RulesError where a rule takes too long."""
        start = time.perf_counter()
        # Reading takes milliseconds, of a long text a second: other conversations must not wait for it.
        matches = await asyncio.to_thread(self._matches, exchange)
        verdict = Verdict(
            judge=self.name,
            judge_version=self.version,
            passed=not matches,
            stage="window" if exchange.reply else "prompt",
            score=0.0 if matches else 1.0,
            reason=", ".join(dict.fromkeys(match.rule for match in matches)),
            category=matches[0].category if matches else "",
            latency_ms=(time.perf_counter() - start) * 1000,
        )
        return verdict if verdict.passed else acted(verdict, self._action)

    def _matches(self, exchange: Exchange) -> list[Match]:
        found = list(self._prompt_matches(exchange.prompt))
        if exchange.reply:
            found += self._rules.matches(exchange.reply, "reply")
        return found

    def _read_prompt(self, prompt: tuple[Message, ...]) -> tuple[Match, ...]:
        return tuple(self._rules.prompt_matches(prompt))
