"""What a turn writes down: the reply as it grows, its end, the verdicts on it, and what was held back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from assistant.events import End, Event, Failed, Finished, Notice
from assistant.saver import SAVE_SECONDS, Saver
from assistant.store.errors import DiskFullError, LockedError, UnreachableError
from assistant.store.records import GrowingReply
from assistant.store.store import Store
from guardrails.gate import Withheld
from guardrails.judge import Verdict

# How long the end of a reply waits for a locked database, a full disk, or a server that starts again.
PATIENCE_SECONDS = 30.0
PASSING = LockedError | DiskFullError | UnreachableError

Written = TypeVar("Written")


@dataclass(slots=True)
class Usage:
    """Counts while the reply grows; times from a monotonic clock, in seconds."""

    started: float = field(default_factory=time.monotonic)
    first_text: float | None = None
    prompt_tokens: int = 0
    dropped_turns: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    finish_reason: str | None = None


class ReplyRecord:
    """One reply and its place in the store. Storage that fails never stops a reply: it is told, and tried again."""

    def __init__(
        self,
        saver: Saver | None,
        reply_id: int,
        policy_hash: str,
        emit: Callable[[Event], None],
        stop: Callable[[], None],
    ) -> None:
        """Without a saver the reply is only counted: its client keeps the conversation.

        `emit` tells whoever watches the turn, `stop` ends it where another process asked for that through the store;
        `policy_hash` goes with every verdict.
        """
        self.text = ""
        self.usage = Usage()
        self.verdicts: list[Verdict] = []
        self.withheld: list[Withheld] = []
        self._saver = saver
        self._reply_id = reply_id
        self._policy_hash = policy_hash
        self._emit = emit
        self._stop = stop
        self._told = False

    def grow(self, piece: str) -> None:
        """Add released text."""
        self.usage.first_text = self.usage.first_text or time.monotonic()
        self.text += piece

    async def save_regularly(self) -> None:
        """Write the reply as it grows. It also shows other processes that this turn's owner is alive."""
        saver = self._saver
        while saver is not None:
            await saver.next_save()
            growing = GrowingReply(self.text, self.usage.prompt_tokens, self.usage.dropped_turns)
            if await self._try(saver.save(self._reply_id, growing)) is True:
                self._stop()

    async def end(self, status: End, error: str | None) -> Finished | Failed:
        """Store the end, and say how it went."""
        usage, now = self.usage, time.monotonic()
        ttft = None if usage.first_text is None else round((usage.first_text - usage.started) * 1000)
        duration = round((now - usage.started) * 1000)
        if self._saver is not None:
            problem = await self._save_end(self._saver.store, status, error, ttft, duration)
            if problem is not None:
                error = " and ".join(filter(None, [error, f"the reply could not be saved: {problem}"]))
        if error is not None:
            return Failed(self._reply_id, error)
        return Finished(
            self._reply_id,
            status,
            usage.finish_reason,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            ttft,
            duration,
        )

    async def _save_end(
        self, store: Store, status: End, error: str | None, ttft: int | None, duration: int
    ) -> Exception | None:
        usage, started = self.usage, time.monotonic()
        finish = partial(
            store.finish_reply,
            self._reply_id,
            self.text,
            status=status,
            finish_reason=usage.finish_reason,
            error=error,
            prompt_tokens=usage.prompt_tokens,
            dropped_turns=usage.dropped_turns,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            ttft_ms=ttft,
            duration_ms=duration,
            verdicts=self.verdicts,
            withheld=self.withheld,
            policy_hash=self._policy_hash,
        )
        problem = await self._try(asyncio.to_thread(finish))
        # These may pass while the text is still in memory; anything else will not.
        while isinstance(problem, PASSING) and time.monotonic() - started < PATIENCE_SECONDS:
            await asyncio.sleep(SAVE_SECONDS)
            problem = await self._try(asyncio.to_thread(finish))
        return problem if isinstance(problem, Exception) else None

    async def _try(self, write: Awaitable[Written]) -> Written | Exception:
        """Write to the store: what that gives, or what went wrong, which the person is told of once."""
        try:
            return await write
        except Exception as problem:  # whatever it is, the text still reaches the person and the turn still ends
            if not self._told:
                self._told = True
                self._emit(Notice("storage", f"the reply is not being saved: {problem}"))
            return problem


async def give_up(saver: Saver, reply_id: int, error: Exception) -> None:
    """End a stored reply that no turn was begun for."""
    record = ReplyRecord(saver, reply_id, "", lambda _: None, lambda: None)
    await record.end("failed", f"{type(error).__name__}: {error}")
