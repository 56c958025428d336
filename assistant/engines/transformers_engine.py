"""The embedded engine: transformers on CPU or GPU, one worker thread, KV caches kept between turns.

All model calls happen on the worker thread. Each of its steps advances every running request by one token, in one
forward for all where the model allows (`packed`), so that one conversation never waits for another's reply to end and
many together are several times as fast as one after another. It keeps each conversation's KV cache, so that turn 20
costs what its new words cost.
"""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines.errors import EngineError, check_prompt
from assistant.engines.protocol import Delta
from assistant.sampling import Sampling
from guardrails.errors import first_line
from guardrails.rendering import ChatTemplate, load_tokenizer

if TYPE_CHECKING:
    import torch

    from assistant.engines.forward import Forward
    from assistant.engines.request import Request


class TransformersEngine:
    """A local Hugging Face causal language model. Loads its weights once, on construction (blocking)."""

    name = "transformers"

    def __init__(
        self,
        folder: Path,
        *,
        model: str | None = None,
        threads: int | None = None,
        load: Callable[[Path, torch.dtype], Any] | None = None,
    ) -> None:
        """Load the model in `folder`; `threads` limits CPU threads (default: torch's own choice).

        `load` takes the place of transformers' own loader, given the folder and the type to compute in.

        Raises:
            EngineError: no usable model in the folder.
        """
        import torch

        if threads:
            torch.set_num_threads(threads)
        gpu = torch.cuda.is_available()
        try:
            tokenizer: Any = load_tokenizer(folder)
            self.template = ChatTemplate(tokenizer)
            stop_ids = self.template.stop_ids
            # CPUs compute float32 faster than emulated bfloat16, and greedy decoding stays reproducible.
            loaded = (load or _load)(folder, torch.bfloat16 if gpu else torch.float32)
        except Exception as error:  # a truncated download fails in many ways, all of them the folder's fault
            raise EngineError(f"cannot load a chat model from {folder}: {first_line(error)}") from error
        loaded.eval().to("cuda" if gpu else "cpu")
        self.model = model or folder.name
        self.window = int(getattr(loaded.config, "max_position_embeddings", 0) or 4096)
        stop_ids |= _as_ids(loaded.generation_config.eos_token_id)
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._closed = False
        work = (loaded, tokenizer.backend_tokenizer, stop_ids)
        self._worker = threading.Thread(target=self._work, args=work, name="transformers-engine", daemon=True)
        self._worker.start()
        # Python's exit kills daemon threads wherever they are; torch aborts the process if that is inside it.
        atexit.register(self._stop)

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """See `Engine.generate`."""
        check_prompt(prompt_ids, self.window, closed=self._closed)
        from assistant.engines.request import Request

        loop = asyncio.get_running_loop()
        out: asyncio.Queue[list[Delta] | Exception] = asyncio.Queue()

        def deliver(item: list[Delta] | Exception) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(out.put_nowait, item)

        room = self.window - len(prompt_ids)
        request = Request(list(prompt_ids), sampling, n, session, min(sampling.max_tokens, room), deliver)
        self._inbox.put(request)
        finished = 0
        try:
            while finished < n:
                item = await out.get()
                if isinstance(item, Exception):
                    raise item
                for delta in item:
                    yield delta
                    finished += delta.finish_reason is not None
        finally:
            request.cancelled = True

    async def close(self) -> None:
        """See `Engine.close`."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        if not self._closed:
            self._closed = True
            self._inbox.put(None)
            self._worker.join()
            atexit.unregister(self._stop)

    def _work(self, model: Any, tokenizer: Any, stop_ids: frozenset[int]) -> None:
        from assistant.engines.decoding import Sequencer
        from assistant.engines.one_by_one import OneByOne
        from assistant.engines.packed import packed
        from assistant.engines.small_steps import SmallStepsAlone

        forward: Forward = packed(model) or OneByOne(model)
        if model.device.type == "cpu":
            forward = SmallStepsAlone(forward, model.num_parameters())
        sequencer = Sequencer(forward, tokenizer, stop_ids, model.device)
        running: list[Request] = []
        while True:
            try:
                arrived = self._inbox.get(block=not running)
            except queue.Empty:
                running = sequencer.step(running)
                continue
            if arrived is None:
                for request in running:
                    request.deliver(EngineError("the engine was closed in mid-reply"))
                return
            running.append(arrived)


def _load(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)


def _as_ids(value: Any) -> frozenset[int]:
    """A generation config's end-of-sequence setting: nothing, one id or several."""
    if value is None:
        return frozenset()
    return frozenset([value]) if isinstance(value, int) else frozenset(value)
