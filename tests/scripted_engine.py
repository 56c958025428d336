"""An engine that says what it is told to: a queue of replies, streamed a token at a time.

    engine = ScriptedEngine(["First reply.", Reply("Second reply.", delay=0.05, fail_after=3)])

It uses the bundled tokenizer and chat template, so prompts and token counts are real, and it keeps every
prompt it was given in `prompts`, the settings in `samplings` and the sessions in `sessions`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import assistant
from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta, FinishReason
from assistant.sampling import Sampling
from guardrails.rendering import ChatTemplate

BUNDLED = Path(assistant.__file__).parent / "bundled"


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted reply: seconds before each token, after how many tokens the engine fails (if it does).

    An endless one goes no further than its text and does not end: whoever is to see it unfinished may be slow.
    """

    text: str
    delay: float = 0.0
    fail_after: int | None = None
    endless: bool = False


@cache
def bundled_template() -> ChatTemplate:
    return ChatTemplate.from_folder(BUNDLED)


class ScriptedEngine:
    """Implements `assistant.engines.protocol.Engine`; takes one reply from the queue for each candidate."""

    name = "scripted"

    def __init__(
        self, replies: Iterable[str | Reply] = (), *, window: int = 2048, model: str = "scripted-model"
    ) -> None:
        self.replies: deque[str | Reply] = deque(replies)
        self.window = window
        self.model = model
        self.prompts: list[list[int]] = []
        self.samplings: list[Sampling] = []
        self.sessions: list[str | None] = []
        self.running = 0
        self.closed = False

    @property
    def template(self) -> ChatTemplate:
        return bundled_template()

    def queue(self, *replies: str | Reply) -> None:
        self.replies.extend(replies)

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        if self.closed:
            raise EngineError("the engine is closed")
        if len(prompt_ids) + 1 > self.window:
            raise EngineError(f"the prompt has {len(prompt_ids)} tokens, the window is {self.window}")
        self.prompts.append(list(prompt_ids))
        self.samplings.append(sampling)
        self.sessions.append(session)
        if len(self.replies) < n:
            raise EngineError("the scripted engine has no reply left")
        chosen = [self.replies.popleft() for _ in range(n)]
        limit = min(sampling.max_tokens, self.window - len(prompt_ids))
        self.running += 1
        try:
            for candidate, reply in enumerate(chosen):
                scripted = Reply(reply) if isinstance(reply, str) else reply
                async for delta in self._stream(candidate, scripted, limit, sampling.stop):
                    yield delta
        finally:
            self.running -= 1

    async def _stream(
        self, candidate: int, reply: Reply, limit: int, stop: tuple[str, ...]
    ) -> AsyncGenerator[Delta, None]:
        ids = self.template.encode(reply.text)
        shown = ""
        for index, token in enumerate(ids):
            await asyncio.sleep(reply.delay)
            if index == reply.fail_after:
                raise EngineError("the scripted engine failed as told")
            text = self.template.decode(ids[: index + 1])
            cuts = [at for mark in stop if (at := text.find(mark)) >= 0]
            finish: FinishReason | None = None
            if cuts:
                text, finish = text[: min(cuts)], "stop"
            elif index + 1 == len(ids) and reply.fail_after != len(ids) and not reply.endless:
                finish = "stop" if len(ids) <= limit else "length"
            elif index + 1 == limit:
                finish = "length"
            if finish is None:
                text = text.rstrip("\ufffd")
            yield Delta(candidate, (token,), text[len(shown) :], finish)
            if finish is not None:
                return
            shown = text
        if reply.endless:
            await asyncio.Event().wait()
        if reply.fail_after is not None:
            raise EngineError("the scripted engine failed as told")
        yield Delta(candidate, (), "", "stop")

    async def close(self) -> None:
        self.closed = True
