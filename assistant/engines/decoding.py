"""Token by token on a transformers model: prefill, sampling, KV caches kept per conversation."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from tokenizers.decoders import DecodeStream
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from assistant.engines.protocol import Delta, FinishReason
from assistant.engines.stops import StopBuffer
from assistant.sampling import Sampling

# Long prompts are computed in parts, so that a stop is heeded and other conversations go on in between.
PREFILL_TOKENS = 512
KEPT_SESSIONS = 8


@dataclass(slots=True)
class Candidate:
    """One reply being sampled. `ids` is the prompt and what was sampled; the cache holds all but the last."""

    index: int
    ids: list[int]
    cache: DynamicCache
    generator: torch.Generator
    stream: DecodeStream
    stops: StopBuffer
    sampled: int = 0
    done: bool = False


@dataclass(slots=True)
class Request:
    """One call of `generate`, owned by the worker thread except for `cancelled`."""

    prompt: list[int]
    sampling: Sampling
    n: int
    session: str | None
    max_tokens: int
    deliver: Callable[[list[Delta] | Exception], None]
    cancelled: bool = False
    cached_tokens: int = 0
    cache: DynamicCache | None = None
    processors: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    candidates: list[Candidate] = field(default_factory=list)


class Sequencer:
    """Advances requests step by step. Not thread-safe: it belongs to one worker thread."""

    def __init__(self, model: Any, tokenizer: Any, stop_ids: frozenset[int]) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._kept: OrderedDict[str, tuple[list[int], DynamicCache]] = OrderedDict()

    @torch.inference_mode()
    def step(self, request: Request) -> bool:
        """Compute a part of the prompt, or one token of every candidate; whether there is more to do."""
        if request.cancelled:
            self._keep(request)
            return False
        if not request.candidates:
            return self._prefill(request)
        deltas = []
        for candidate in request.candidates:
            if not candidate.done:
                last = torch.tensor([candidate.ids[-1:]], device=self._model.device)
                deltas.append(self._sample(request, candidate, self._forward(last, candidate.cache)))
        return self._deliver(request, deltas)

    def drop(self, request: Request) -> None:
        """Forget a failed request's cache, which may be half written."""
        if request.session is not None:
            self._kept.pop(request.session, None)

    def _prefill(self, request: Request) -> bool:
        if request.cache is None:
            request.cache, request.cached_tokens = self._reuse(request)
            request.processors = _processors(request.sampling)
        done = request.cache.get_seq_length()
        part = request.prompt[done : done + PREFILL_TOKENS]
        logits = self._forward(torch.tensor([part], device=self._model.device), request.cache)
        if done + len(part) < len(request.prompt):
            return True
        deltas = []
        for index in range(request.n):
            last = index == request.n - 1
            candidate = self._candidate(request, index, request.cache if last else copy.deepcopy(request.cache))
            request.candidates.append(candidate)
            deltas.append(self._sample(request, candidate, logits))
        return self._deliver(request, deltas)

    def _deliver(self, request: Request, deltas: list[Delta]) -> bool:
        """Hand on one token of every candidate; whether any candidate goes on."""
        request.deliver(deltas)
        if all(candidate.done for candidate in request.candidates):
            self._keep(request)
            return False
        return True

    def _forward(self, ids: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """Logits (1, vocabulary) for the token after `ids` (1, length); the cache grows by `length`."""
        output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _candidate(self, request: Request, index: int, cache: DynamicCache) -> Candidate:
        generator = torch.Generator(device=self._model.device)
        if request.sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed((request.sampling.seed + index) % 2**63)
        stream = DecodeStream(skip_special_tokens=True)
        return Candidate(index, list(request.prompt), cache, generator, stream, StopBuffer(request.sampling.stop))

    def _sample(self, request: Request, candidate: Candidate, logits: torch.Tensor) -> Delta:
        before: Any = torch.tensor([candidate.ids], device=logits.device)
        scores = request.processors(before, cast(Any, logits))
        if request.sampling.temperature == 0:
            token = int(scores.argmax())
        else:
            token = int(torch.multinomial(scores.softmax(-1), 1, generator=candidate.generator))
        candidate.sampled += 1
        candidate.ids.append(token)
        reason: FinishReason | None = None
        text = ""
        if token in self._stop_ids:
            reason = "stop"
        else:
            text = candidate.stops.push(candidate.stream.step(self._tokenizer, token) or "")
            if candidate.stops.stopped:
                reason = "stop"
            elif candidate.sampled >= request.max_tokens:
                reason = "length"
        if reason:
            text += candidate.stops.flush()
            candidate.done = True
        cached = request.cached_tokens if candidate.sampled == 1 else 0
        return Delta(candidate.index, (token,), text, reason, cached)

    def _reuse(self, request: Request) -> tuple[DynamicCache, int]:
        """The conversation's kept cache cut to what it shares with the prompt, and the length of that."""
        if request.session is not None and (kept := self._kept.pop(request.session, None)):
            ids, cache = kept
            # At least one prompt token must be computed again: its logits begin the reply.
            shared = _shared_prefix(ids, request.prompt[:-1])
            if shared and _crop(cache, shared):
                return cache, shared
        return DynamicCache(config=self._model.config), 0

    def _keep(self, request: Request) -> None:
        if request.session is None or request.cache is None:
            return
        ids = request.candidates[-1].ids if request.candidates else request.prompt
        self._kept[request.session] = (ids[: request.cache.get_seq_length()], request.cache)
        while len(self._kept) > KEPT_SESSIONS:
            self._kept.popitem(last=False)


def _processors(sampling: Sampling) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature not in (0, 1):
        processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1 and sampling.temperature:
        processors.append(TopPLogitsWarper(sampling.top_p))
    return processors


def _shared_prefix(left: list[int], right: list[int]) -> int:
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))


def _crop(cache: DynamicCache, length: int) -> bool:
    """Cut the cache to `length` tokens. Sliding-window layers cannot always go back: then it is of no use."""
    surplus = cache.get_seq_length() - length
    if surplus == 0:
        return True
    try:
        cache.crop(-surplus)
    except (ValueError, NotImplementedError):
        return False
    return cache.get_seq_length() == length
