"""The reward model as a judge."""

from __future__ import annotations

from guardrails.judge import Exchange, Verdict, acted
from guardrails.policy import Stage
from guardrails.reward.scorer import Scorer


class RewardJudge:
    """Passes what is likely enough to be safe: `prompt` is the level for prompts, `reply` for replies to them."""

    name = "reward"

    def __init__(self, scorer: Scorer, prompt: Stage, reply: Stage) -> None:
        self.version = scorer.version
        self._scorer = scorer
        self._prompt = prompt
        self._reply = reply

    async def judge(self, exchange: Exchange) -> Verdict:
        """See `guardrails.judge.Judge`."""
        level = self._reply if exchange.reply else self._prompt
        score = await self._scorer.score(exchange)
        # What is no number is not at least anything: it does not pass.
        if score >= level.threshold:
            return Verdict(self.name, self.version, True, score=score, threshold=level.threshold)
        what = "reply" if exchange.reply else "prompt"
        reason = f"the {what} is probably not safe"
        verdict = Verdict(self.name, self.version, False, score=score, threshold=level.threshold, reason=reason)
        return verdict if score != score else acted(verdict, level.action)
