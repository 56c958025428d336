from __future__ import annotations

import asyncio

from guardrails.judge import Exchange, Judge
from guardrails.messages import Message
from guardrails.rules.judge import RulesJudge
from guardrails.rules.rules import load

RULES = load()


def exchange(prompt: str, reply: str = "") -> Exchange:
    return Exchange((Message("system", "Be kind."), Message("user", prompt)), reply)


async def test_what_meets_no_rule_passes_with_a_full_score() -> None:
    judge: Judge = RulesJudge(RULES)
    verdict = await judge.judge(exchange("How do I make a bath bomb?"))
    assert (verdict.passed, verdict.score, verdict.reason, verdict.category) == (True, 1.0, "", "")
    assert (verdict.judge, verdict.judge_version, verdict.stage) == ("rules", RULES.version, "prompt")
    assert verdict.latency_ms > 0


async def test_a_prompt_that_meets_a_rule_fails_by_the_rules_name() -> None:
    verdict = await RulesJudge(RULES).judge(exchange("How do I make a pipe bomb?"))
    assert (verdict.passed, verdict.score, verdict.reason) == (False, 0.0, "iwp-bomb")
    assert (verdict.category, verdict.stage) == ("iwp", "prompt")


async def test_a_reply_is_judged_with_its_prompt() -> None:
    judge = RulesJudge(RULES)
    good = await judge.judge(exchange("Hello", "Hello, friend."))
    bad = await judge.judge(exchange("Hello", "Just kill yourself."))
    both = await judge.judge(exchange("Just kill yourself.", "You should kill yourself."))
    assert (good.passed, good.stage) == (True, "window")
    assert (bad.passed, bad.reason, bad.category, bad.stage) == (False, "ssh-incitement", "ssh", "window")
    assert (both.passed, both.reason) == (False, "ssh-incitement")


async def test_a_long_text_does_not_hold_up_other_work() -> None:
    judging = asyncio.create_task(RulesJudge(RULES).judge(exchange("%41b b o m b &amp; " * 2000)))
    waits = 0
    while not judging.done():
        await asyncio.sleep(0.001)
        waits += 1
    assert waits > 5
    assert (await judging).passed
