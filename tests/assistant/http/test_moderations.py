"""Texts that are scored must not keep the chats from their judges."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx

from assistant.http.serving import SCORED_AT_ONCE
from guardrails.gate import CommitWindow
from guardrails.guard import Guard
from guardrails.judge import Exchange, Verdict
from guardrails.policy import Policy
from tests.assistant.http.running import serving
from tests.scripted_engine import ScriptedEngine


class Counting:
    """Passes all but "bad", and counts how many texts it has at once."""

    name = "counting"
    version = "1"

    def __init__(self) -> None:
        self.most = self._now = 0

    async def judge(self, exchange: Exchange) -> Verdict:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.005)
        self._now -= 1
        return Verdict(self.name, self.version, exchange.prompt[-1].content != "bad")


def test_few_texts_are_judged_at_once_whoever_sends_them(db: str) -> None:
    judge = Counting()
    guard = Guard(Policy(version=1, name="test"), CommitWindow([judge]), (judge,))
    texts = ["bad" if number % 3 == 0 else "fine" for number in range(32)]
    with serving(db, ScriptedEngine(), guard=guard) as running, ThreadPoolExecutor() as threads:

        def moderate(_: int) -> httpx.Response:
            return running.post("/v1/moderations", {"input": texts})

        for answer in threads.map(moderate, range(2)):
            assert [result["flagged"] for result in answer.json()["results"]] == [text == "bad" for text in texts]
    assert judge.most == SCORED_AT_ONCE
