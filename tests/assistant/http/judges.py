"""Guards whose judge fails what holds a word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guardrails.audit import Audit
from guardrails.gate import CommitWindow, Windows
from guardrails.guard import Guard
from guardrails.judge import Action, Exchange, Verdict
from guardrails.policy import Policy


@dataclass(frozen=True, slots=True)
class WordJudge:
    """Blocks a prompt with the word "forbidden" and a reply with the word "bomb"."""

    action: Action = "block"
    name: str = "words"
    version: str = "1"

    async def judge(self, exchange: Exchange) -> Verdict:
        last = exchange.prompt[-1].content if exchange.prompt else ""
        bad = "bomb" in exchange.reply or "forbidden" in last
        score = 0.0 if bad else 1.0
        return Verdict("words", "1", not bad, score=score, reason="a word" if bad else "", action=self.action)


def word_guard(action: Action = "block", *, audit: Path | None = None) -> Guard:
    policy = Policy(version=1, name="test")
    log = None if audit is None else Audit(audit, policy=policy.digest())
    judge = WordJudge(action)
    window = CommitWindow([judge], windows=Windows(first=2, growth=1, largest=2), audit=log)
    return Guard(policy, window, (judge,), None, log)
