"""One running turn: generation as a task of its own, its events, its stop.

The task belongs to the turn, not to whoever reads its events: a client that leaves and comes back finds the
reply still running, and any number of clients may read the same events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

from assistant.engines.protocol import Engine
from assistant.errors import AssistantError
from assistant.events import Blocked, End, Event, Failed, Finished, Judged, Notice, Started, Text
from assistant.sampling import Sampling
from assistant.store.errors import DiskFullError, LockedError
from assistant.store.store import Store
from assistant.window import Fitted
from guardrails.gate import Gate, Withheld
from guardrails.judge import Verdict

# How often a growing reply is written to the store: what a killed process may lose.
SAVE_SECONDS = 0.5
# How long the end of a reply waits for a locked database or a full disk.
PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class _Usage:
    """Counts while the reply grows; times from a monotonic clock, in seconds."""

    started: float
    first_text: float | None = None
    completion_tokens: int = 0
    cached_tokens: int = 0
    finish_reason: str | None = None


class Turn:
    """A reply being made. Created by `Assistant`, running from the moment it exists."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        gate: Gate,
        fitted: Fitted | AssistantError,
        sampling: Sampling,
        *,
        conversation_id: int,
        user_message_id: int,
        reply_id: int,
        refusal: str,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        """`refusal` is said in place of a reply that the gate holds back."""
        self.conversation_id = conversation_id
        self.user_message_id = user_message_id
        self.reply_id = reply_id
        self._store = store
        self._engine = engine
        self._gate = gate
        self._sampling = sampling
        self._refusal = refusal
        self._withheld: Withheld | None = None
        self._reply = ""
        self._log: list[Event] = []
        self._grown = asyncio.Event()
        self._usage = _Usage(started=time.monotonic())
        self._verdicts: list[Verdict] = []
        self._told_of_storage = False
        self._prompt_tokens = 0
        # What the turn ends as when it is cancelled; stop() says otherwise.
        self._end: End = "interrupted"
        self._pump: asyncio.Task[End] | None = None
        if isinstance(fitted, Fitted):
            self._prompt_tokens = len(fitted.rendered.ids)
            self._log = [self._started(), *notices]
            self._pump = asyncio.create_task(self._generate(fitted))
            self._task = asyncio.create_task(self._see_through(self._pump))
        else:
            self._task = asyncio.create_task(self._finish("failed", str(fitted)))

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Every event of the turn from number `after` on, those of the past at once, until the turn ends."""
        while True:
            while after < len(self._log):
                yield self._log[after]
                after += 1
            if self._log and isinstance(self._log[-1], Finished | Failed):
                return
            self._grown.clear()
            await self._grown.wait()

    def stop(self, end: End = "stopped") -> None:
        """End the reply here; what came is kept. Does nothing once the turn has ended."""
        if self._pump is not None and not self._pump.done():
            self._end = end
            self._pump.cancel()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the turn has ended and is stored."""
        self._task.add_done_callback(lambda _: callback())

    async def wait(self) -> Finished | Failed:
        """The turn's last event."""
        await asyncio.shield(self._task)
        return cast(Finished | Failed, self._log[-1])

    def _started(self) -> Started:
        return Started(
            self.conversation_id,
            self.user_message_id,
            self.reply_id,
            self._engine.model,
            self._prompt_tokens,
            self._engine.window,
        )

    async def _see_through(self, pump: asyncio.Task[End]) -> None:
        saver = asyncio.create_task(self._save_regularly())
        error = None
        try:
            status = await pump
        except asyncio.CancelledError:
            # stop() cancelled the pump, or the event loop is going down: either way, keep what came.
            pump.cancel()
            status = self._end
        except AssistantError as failure:
            status, error = "failed", str(failure)
        except Exception as failure:  # a bug must not leave a turn that never ends
            status, error = "failed", f"{type(failure).__name__}: {failure}"
        saver.cancel()
        with suppress(asyncio.CancelledError):
            await saver
        await self._finish(status, error)

    async def _generate(self, fitted: Fitted) -> End:
        """Feed the engine's text through the gate; the status the reply ends with."""
        async with (
            aclosing(self._raw_text(fitted.rendered.ids)) as raw,
            aclosing(self._gate.release(fitted.messages, raw, conversation=str(self.conversation_id))) as pieces,
        ):
            async for piece in pieces:
                if isinstance(piece, Verdict):
                    self._verdicts.append(piece)
                    self._emit(Judged(piece.judge, piece.stage, piece.decision, piece.score, piece.threshold))
                elif isinstance(piece, Withheld):
                    self._withheld = piece
                    self._reply = self._refusal
                    self._usage.finish_reason = "content_filter"
                    self._emit(Blocked(self._refusal, piece.verdict.reason, piece.verdict.unavailable))
                    return "blocked"
                elif piece:
                    self._usage.first_text = self._usage.first_text or time.monotonic()
                    self._reply += piece
                    self._emit(Text(piece))
        return "complete"

    async def _raw_text(self, prompt_ids: list[int]) -> AsyncGenerator[str, None]:
        deltas = self._engine.generate(prompt_ids, self._sampling, session=str(self.conversation_id))
        async with aclosing(deltas) as stream:
            async for delta in stream:
                self._usage.completion_tokens += len(delta.token_ids)
                self._usage.cached_tokens += delta.cached_tokens
                self._usage.finish_reason = delta.finish_reason or self._usage.finish_reason
                yield delta.text

    async def _save_regularly(self) -> None:
        """Write the reply as it grows. It also shows other processes that this turn's owner is alive."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._try_to_store(self._store.grow_reply, self.reply_id, self._reply)

    async def _finish(self, status: End, error: str | None) -> None:
        usage = self._usage
        now = time.monotonic()
        ttft = None if usage.first_text is None else round((usage.first_text - usage.started) * 1000)
        duration = round((now - usage.started) * 1000)
        end = partial(
            self._store.finish_reply,
            self.reply_id,
            self._reply,
            status=status,
            finish_reason=usage.finish_reason,
            error=error,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            ttft_ms=ttft,
            duration_ms=duration,
        )
        problem = await self._try_to_store(end)
        # A lock or a full disk may pass while the text is still in memory; anything else will not.
        while isinstance(problem, LockedError | DiskFullError) and time.monotonic() - now < PATIENCE_SECONDS:
            await asyncio.sleep(SAVE_SECONDS)
            problem = await self._try_to_store(end)
        if problem is None:
            problem = await self._store_verdicts()
        if problem is None and self._withheld is not None and self._withheld.text:
            keep = partial(self._store.add_withheld, self.reply_id, self._withheld.text, self._withheld.shown)
            problem = await self._try_to_store(keep)
        if problem is not None:
            error = " and ".join(filter(None, [error, f"the reply could not be saved: {problem}"]))
        if error is not None:
            self._emit(Failed(self.reply_id, error))
            return
        self._emit(
            Finished(
                self.reply_id,
                status,
                usage.finish_reason,
                self._prompt_tokens,
                usage.completion_tokens,
                usage.cached_tokens,
                ttft,
                duration,
            )
        )

    async def _store_verdicts(self) -> Exception | None:
        for verdict in self._verdicts:
            problem = await self._try_to_store(
                partial(
                    self._store.add_verdict,
                    self.reply_id,
                    stage=verdict.stage,
                    judge=verdict.judge,
                    judge_version=verdict.judge_version,
                    decision=verdict.decision,
                    score=verdict.score,
                    threshold=verdict.threshold,
                    reason=verdict.reason,
                    latency_ms=verdict.latency_ms,
                )
            )
            if problem is not None:
                return problem
        return None

    async def _try_to_store(self, write: Callable[..., object], *args: object) -> Exception | None:
        """Write to the store; what went wrong, if anything, which the person is told of once."""
        try:
            await asyncio.to_thread(write, *args)
        except Exception as problem:  # whatever it is, the text still reaches the person and the turn still ends
            if not self._told_of_storage:
                self._told_of_storage = True
                self._emit(Notice("storage", f"the reply is not being saved: {problem}"))
            return problem
        return None

    def _emit(self, event: Event) -> None:
        self._log.append(event)
        self._grown.set()
