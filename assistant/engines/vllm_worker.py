"""The thread that drives vLLM: every step of it advances all running replies by a token."""

from __future__ import annotations

import asyncio
import atexit
import queue
import signal
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant.engines.errors import EngineError
from assistant.engines.protocol import Delta
from assistant.engines.reply_text import ReplyText
from guardrails.errors import first_line
from guardrails.vllm_environment import computing

if TYPE_CHECKING:
    from vllm import LLMEngine
    from vllm.lora.request import LoRARequest
    from vllm.sampling_params import SamplingParams

Out = asyncio.Queue[Delta | EngineError]


@dataclass(slots=True, eq=False)
class Job:
    """One reply, owned by the worker thread except for `cancelled`. What comes of it goes to `out`, on `loop`."""

    id: str
    candidate: int
    prompt: list[int]
    params: SamplingParams
    adapter: LoRARequest | None
    text: ReplyText
    loop: asyncio.AbstractEventLoop
    out: Out
    cancelled: bool = False
    begun: bool = False


class Worker:
    """Owns `engine`, which only its thread may touch. When that dies, its replies fail, and the next one starts it."""

    def __init__(self, start: Callable[[], LLMEngine], stop: Callable[[LLMEngine], None]) -> None:
        """Start the engine and wait for it. Raises whatever starting it raises."""
        self._start = start
        self._stop = stop
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.running: dict[str, Job] = {}
        self.closed = False
        self.engine: LLMEngine | None = None
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._work, args=(started,), name="vllm-engine", daemon=True)
        self._thread.start()
        try:
            self.window = started.result()
        except BaseException:  # Ctrl-C while it loads, too
            self.close()
            raise
        # Python's exit kills daemon threads wherever they are; torch aborts the process if that is inside it.
        atexit.register(self.close)

    def submit(self, job: Job) -> None:
        self._inbox.put(job)

    def close(self) -> None:
        """End the engine; running replies fail."""
        if not self.closed:
            self.closed = True
            self._inbox.put(None)
            self._thread.join()
            atexit.unregister(self.close)

    def _work(self, started: Future[int]) -> None:
        # Worker processes of a tensor-parallel engine inherit this: Ctrl-C at the terminal is not for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with computing:
                self.engine = self._start()
            started.set_result(int(self.engine.model_config.max_model_len))
        except BaseException as error:
            started.set_exception(error)
            return
        while self._take_arrivals():
            try:
                with computing:
                    self.engine = self.engine or self._start()
                    self._cancel(self.engine)
                    self._begin(self.engine)
                    outputs = self.engine.step() if self.running else []
                self._deliver(outputs)
            except Exception as error:
                self._fail_all(f"vLLM failed ({first_line(error)}); it is started again with the next message")
                self._end()
        self._fail_all("the engine was closed in mid-reply")
        self._end()

    def _end(self) -> None:
        if self.engine is not None:
            # One that has died may be past ending in good order.
            with suppress(Exception), computing:
                self._stop(self.engine)
        self.engine = None

    def _take_arrivals(self) -> bool:
        """Take what has been submitted, waiting for it where nothing runs; False when the engine is to end."""
        while True:
            try:
                arrived = self._inbox.get(block=not self.running)
            except queue.Empty:
                return True
            if arrived is None:
                return False
            self.running[arrived.id] = arrived

    def _cancel(self, engine: LLMEngine) -> None:
        cancelled = [job for job in self.running.values() if job.cancelled]
        if cancelled:
            # By the ids we gave: vLLM ignores its own without a word.
            engine.abort_request([job.id for job in cancelled if job.begun])
            for job in cancelled:
                del self.running[job.id]

    def _begin(self, engine: LLMEngine) -> None:
        for job in [job for job in self.running.values() if not job.begun]:
            prompt: Any = {"prompt_token_ids": job.prompt}
            job.begun = True
            try:
                engine.add_request(job.id, prompt, job.params, lora_request=job.adapter)
            except Exception as error:  # of this request alone: an unknown token id, an adapter that cannot be read
                del self.running[job.id]
                _hand_over(job.loop, [(job.out, EngineError(f"the model failed: {first_line(error)}"))])

    def _deliver(self, outputs: list[Any]) -> None:
        """Hand on what a step made: once for each event loop, since waking one takes longer than a step may."""
        made: dict[asyncio.AbstractEventLoop, list[tuple[Out, Delta | EngineError]]] = defaultdict(list)
        for output in outputs:
            job = self.running.get(output.request_id)
            if job is None:
                continue
            tokens = tuple(output.outputs[0].token_ids)
            text, reason = job.text.add(tokens)
            if reason is None and output.finished:
                reason = "stop" if output.outputs[0].finish_reason == "stop" else "length"
            cached = (output.num_cached_tokens or 0) if job.text.count == len(tokens) else 0
            made[job.loop].append((job.out, Delta(job.candidate, tokens, text, reason, cached)))
            if output.finished:
                del self.running[job.id]
            elif reason is not None:  # at a stop string, of which vLLM knows nothing
                job.cancelled = True
        for loop, items in made.items():
            _hand_over(loop, items)

    def _fail_all(self, reason: str) -> None:
        for job in self.running.values():
            _hand_over(job.loop, [(job.out, EngineError(reason))])
        self.running.clear()


def _hand_over(loop: asyncio.AbstractEventLoop, items: list[tuple[Out, Delta | EngineError]]) -> None:
    def put() -> None:
        for out, item in items:
            out.put_nowait(item)

    try:
        loop.call_soon_threadsafe(put)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
