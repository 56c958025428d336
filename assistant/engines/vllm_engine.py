"""vLLM in this process, driven by one thread: continuous batching, a prefix cache, LoRA adapters, quantised weights.

In process rather than in vLLM's own child process: it is there in 2 seconds instead of 17, Ctrl-C at the terminal
cannot kill it, and a process that is killed leaves nothing behind. What outgrows one process is a server:
`vllm serve` and `--engine openai`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines import model_folder, vllm_start
from assistant.engines.errors import EngineError, check_prompt
from assistant.engines.protocol import Delta
from assistant.engines.reply_text import ReplyText
from assistant.engines.vllm_worker import Job, Out, Worker
from assistant.sampling import Sampling
from assistant.settings import VllmSettings
from guardrails.errors import first_line
from guardrails.rendering import ChatTemplate, load_tokenizer

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

_numbers = itertools.count()


class VllmEngine:
    """A local Hugging Face causal language model on vLLM, and LoRA adapters of it. Loads on construction (blocking)."""

    name = "vllm"

    def __init__(
        self,
        folder: Path,
        *,
        model: str | None = None,
        settings: VllmSettings | None = None,
        threads: int | None = None,
        adapters: Mapping[str, Path] | None = None,
    ) -> None:
        """Load the model in `folder`; `adapters` are folders that peft wrote, by the names they get here.

        Raises:
            EngineError: vLLM is not installed, or cannot load the model.
        """
        settings = settings or VllmSettings()
        adapters = adapters or {}
        vllm_start.prepare(threads)
        try:
            tokenizer: Any = load_tokenizer(folder)
            self.template = ChatTemplate(tokenizer)
            self._tokenizer = tokenizer.backend_tokenizer
            self.stop_ids = self.template.stop_ids | model_folder.end_ids(folder)
            self._adapters = _requests(adapters)
            self.worker = Worker(
                lambda: vllm_start.start(folder, settings, threads=threads, adapters=list(self._adapters.values())),
                vllm_start.stop,
            )
        except Exception as error:  # a truncated download, too little memory, an architecture it does not know
            raise EngineError(f"vLLM cannot load {folder}: {first_line(error)}{_advice(str(error))}") from error
        self.model = self._base = model or folder.name
        self.window = self.worker.window
        self._adapter: LoRARequest | None = None

    @property
    def adapters(self) -> list[str]:
        """The names of the adapters it was given."""
        return list(self._adapters)

    def with_adapter(self, name: str) -> VllmEngine:
        """The same loaded model, answering with an adapter. Closing either closes both.

        Raises:
            EngineError: it was not given that adapter.
        """
        if name not in self._adapters:
            known = ", ".join(self._adapters) or "none"
            raise EngineError(f"there is no adapter '{name}': this engine has {known}")
        return self._sibling(name, self._adapters[name])

    def without_adapter(self) -> VllmEngine:
        """The same loaded model, as it is by itself."""
        return self._sibling(self._base, None)

    def _sibling(self, model: str, adapter: LoRARequest | None) -> VllmEngine:
        sibling = object.__new__(VllmEngine)
        vars(sibling).update(vars(self))
        sibling.model, sibling._adapter = model, adapter
        return sibling

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """See `Engine.generate`. Any request may use what any other left in the prefix cache."""
        check_prompt(prompt_ids, self.window, closed=self.worker.closed)
        out: Out = asyncio.Queue()
        jobs = [self._job(index, list(prompt_ids), sampling, out) for index in range(n)]
        for job in jobs:
            self.worker.submit(job)
        running = n
        try:
            while running:
                item = await out.get()
                if isinstance(item, EngineError):
                    raise item
                yield item
                running -= item.finish_reason is not None
        finally:
            for job in jobs:
                job.cancelled = True

    async def close(self) -> None:
        """See `Engine.close`."""
        await asyncio.to_thread(self.worker.close)

    def _job(self, index: int, prompt: list[int], sampling: Sampling, out: Out) -> Job:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        limit = min(sampling.max_tokens, self.window - len(prompt))
        seed = None if sampling.seed is None else (sampling.seed + index) % 2**63
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            repetition_penalty=sampling.repetition_penalty,
            seed=seed,
            max_tokens=limit,
            stop_token_ids=sorted(self.stop_ids),
            # Text is made of the ids here, as on every engine; what ends a reply is in the line above.
            detokenize=False,
            ignore_eos=True,
            output_kind=RequestOutputKind.DELTA,
        )
        text = ReplyText(self._tokenizer, self.stop_ids, sampling.stop, limit)
        loop = asyncio.get_running_loop()
        return Job(f"reply-{next(_numbers)}", index, prompt, params, self._adapter, text, loop, out)


def _requests(adapters: Mapping[str, Path]) -> dict[str, LoRARequest]:
    from vllm.lora.request import LoRARequest

    return {name: LoRARequest(name, number, str(path)) for number, (name, path) in enumerate(adapters.items(), 1)}


def _advice(error: str) -> str:
    """What to do about the failures that people meet."""
    if "memory" in error.lower() or "KV cache" in error:
        return "; give it less with -o context=4096, or another share with -o memory_share=0.8 or -o kv_cache_gb=2"
    return ""
