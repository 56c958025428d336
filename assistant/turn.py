"""One running turn: generation as a task of its own, its events, its stop.

The task belongs to the turn, not to whoever reads its events: a client that leaves and comes back finds the
reply still running, and any number of clients may read the same events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import cast

from assistant.engines.protocol import Engine, FinishReason
from assistant.errors import AssistantError
from assistant.events import Blocked, End, Event, Failed, Finished, Judged, Notice, Retracted, Started, Text
from assistant.reply_record import ReplyRecord
from assistant.sampling import Sampling
from assistant.saver import Saver
from assistant.store.errors import StorageError
from assistant.window import Fitted
from guardrails.best_of import BestOf
from guardrails.gate import Gate, Released, Withheld
from guardrails.judge import Verdict

# Said in place of a reply that no judge has judged: nothing is wrong with what was asked.
UNAVAILABLE = "My safety check does not answer just now, so I cannot show a reply. Please try again in a moment."
# Added where what was asked is about suicide or self-harm (MLCommons' hazard ssh): a refusal alone would turn away
# somebody who may need help.
HELP = (
    "If you are thinking of hurting yourself, please talk to somebody now: a person you trust, a doctor, or a crisis "
    "line. findahelpline.com lists them by country."
)


@dataclass(frozen=True, slots=True)
class Guarding:
    """What a turn's guard does: its gate, and what is said or tried where that holds a reply back.

    `refusal` is said in place of a blocked reply, `replacement` where the policy replaces. `again` is the prompt with
    the safety prefix, for a second try.
    """

    gate: Gate
    refusal: str
    replacement: str
    again: Callable[[], Fitted] | None
    best_of: BestOf | None = None


class _BelowFloorError(Exception):
    """No candidate may be shown; the best of them is `held`."""

    def __init__(self, held: Withheld) -> None:
        super().__init__(held.verdict.reason)
        self.held = held


class Turn:
    """A reply being made. Created by `Assistant`, running from the moment it exists."""

    def __init__(
        self,
        saver: Saver | None,
        engine: Engine,
        guarding: Guarding,
        fitted: Fitted | AssistantError,
        sampling: Sampling,
        *,
        name: str,
        conversation_id: int = 0,
        user_message_id: int = 0,
        reply_id: int = 0,
        policy_hash: str,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        """With an error in place of a prompt the turn fails at once, and says so.

        Without a saver nothing is stored, and the ids are 0. `name` is what the engine's cache and the audit log call
        the conversation.
        """
        self.name = name
        self.conversation_id = conversation_id
        self.user_message_id = user_message_id
        self.reply_id = reply_id
        self._engine = engine
        self._guarding = guarding
        self._sampling = sampling
        self._log: list[Event] = []
        self._grown = asyncio.Event()
        self._record = ReplyRecord(saver, reply_id, policy_hash, self._emit, self.stop)
        # What the turn ends as when it is cancelled; stop() says otherwise.
        self._end: End = "interrupted"
        self._pump: asyncio.Task[End] | None = None
        if isinstance(fitted, Fitted):
            self._record.usage.prompt_tokens = len(fitted.rendered.ids)
            self._record.usage.dropped_turns = fitted.dropped_turns
            self._log = [self._started(len(fitted.rendered.ids)), *notices]
            self._pump = asyncio.create_task(self._generate(fitted))
            self._task = asyncio.create_task(self._see_through(self._pump))
        else:
            refused = not isinstance(fitted, StorageError)
            self._task = asyncio.create_task(self._finish("failed", str(fitted), refused=refused))

    async def events(self, after: int = 0) -> AsyncGenerator[Event, None]:
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

    def _started(self, prompt_tokens: int) -> Started:
        engine = self._engine
        return Started(
            self.conversation_id, self.user_message_id, self.reply_id, engine.model, prompt_tokens, engine.window
        )

    async def _see_through(self, pump: asyncio.Task[End]) -> None:
        saving = asyncio.create_task(self._record.save_regularly())
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
        saving.cancel()
        with suppress(asyncio.CancelledError):
            await saving
        await self._finish(status, error)

    async def _finish(self, status: End, error: str | None, *, refused: bool = False) -> None:
        ended = await self._record.end(status, error)
        self._emit(replace(ended, refused=refused) if isinstance(ended, Failed) else ended)

    async def _generate(self, fitted: Fitted) -> End:
        """Make the reply; the status it ends with."""
        held = await self._attempt(fitted, fitted)
        again = self._guarding.again
        if held is not None and again is not None and _may_be_written_again(held.verdict):
            self._record.text = ""
            self._emit(Retracted(held.verdict.reason))
            held = await self._attempt(await asyncio.to_thread(again), fitted)
        if held is None:
            return "complete"
        verdict = held.verdict
        said = self._guarding.replacement if verdict.action == "replace" else self._guarding.refusal
        if verdict.category == "ssh" and verdict.stage == "prompt":
            said = f"{said}\n\n{HELP}"
        self._record.text = UNAVAILABLE if verdict.unavailable else said
        self._record.usage.finish_reason = "content_filter"
        self._emit(Blocked(self._record.text, verdict.reason, verdict.unavailable))
        return "blocked"

    async def _attempt(self, sent: Fitted, asked: Fitted) -> Withheld | None:
        """Generate from what is `sent` and let through what the gate passes, which judges it by what was `asked`."""
        self._record.usage.finish_reason = None
        ids, conversation = sent.rendered.ids, self.name
        best_of = self._guarding.best_of
        raw = self._raw_text(ids) if best_of is None else self._best(best_of, ids, asked)
        gate = self._guarding.gate
        try:
            async with aclosing(raw), aclosing(gate.release(asked.messages, raw, conversation=conversation)) as passed:
                return await self._follow(passed)
        except _BelowFloorError as below:
            return self._hold(below.held)

    async def _follow(self, released: AsyncIterator[Released]) -> Withheld | None:
        async for piece in released:
            if isinstance(piece, Verdict):
                self._note(piece)
            elif isinstance(piece, Withheld):
                return self._hold(piece)
            elif piece:
                self._record.grow(piece)
                self._emit(Text(piece))
        return None

    async def _raw_text(self, prompt_ids: list[int]) -> AsyncGenerator[str, None]:
        usage = self._record.usage
        deltas = self._engine.generate(prompt_ids, self._sampling, session=self.name)
        async with aclosing(deltas) as stream:
            async for delta in stream:
                usage.completion_tokens += len(delta.token_ids)
                usage.cached_tokens += delta.cached_tokens
                usage.finish_reason = delta.finish_reason or usage.finish_reason
                yield delta.text

    async def _best(self, best_of: BestOf, prompt_ids: list[int], asked: Fitted) -> AsyncGenerator[str, None]:
        """The best candidate's whole text.

        The gate reads it as it reads a single reply's: it has the prompt judged meanwhile, and one that does not pass
        ends this before its candidates are written.
        """
        texts, reasons = await self._candidates(prompt_ids, best_of.n)
        index, verdict = await best_of.pick(asked.messages, texts, self.name)
        self._record.usage.finish_reason = reasons[index]
        self._note(verdict)
        if not verdict.passed:
            raise _BelowFloorError(Withheld(verdict, texts[index], 0))
        yield texts[index]

    async def _candidates(self, prompt_ids: list[int], n: int) -> tuple[list[str], list[FinishReason | None]]:
        """Whole replies to one prompt, and why each ended. Which is said is not known before all are there."""
        usage, texts = self._record.usage, [""] * n
        reasons: list[FinishReason | None] = [None] * n
        deltas = self._engine.generate(prompt_ids, self._sampling, n=n, session=self.name)
        async with aclosing(deltas) as stream:
            async for delta in stream:
                usage.completion_tokens += len(delta.token_ids)
                usage.cached_tokens += delta.cached_tokens
                texts[delta.candidate] += delta.text
                reasons[delta.candidate] = delta.finish_reason or reasons[delta.candidate]
        return texts, reasons

    def _note(self, verdict: Verdict) -> None:
        self._record.verdicts.append(verdict)
        self._emit(Judged(verdict.judge, verdict.stage, verdict.decision, verdict.score, verdict.threshold))

    def _hold(self, held: Withheld) -> Withheld:
        self._record.withheld.append(held)
        return held

    def _emit(self, event: Event) -> None:
        self._log.append(event)
        self._grown.set()


def _may_be_written_again(verdict: Verdict) -> bool:
    """A prompt that does not pass would not pass again."""
    return verdict.action == "regenerate" and verdict.stage != "prompt" and not verdict.unavailable
