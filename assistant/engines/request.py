"""A call of `generate` as the worker sees it, and the replies that grow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from assistant.engines.forward import Cache
from assistant.engines.protocol import Delta
from assistant.engines.reply_text import ReplyText
from assistant.sampling import Sampling


@dataclass(slots=True)
class Candidate:
    """One reply being sampled. `ids` is the prompt and what was sampled; the cache holds all but the last."""

    index: int
    ids: list[int]
    cache: Cache
    generator: torch.Generator
    text: ReplyText
    sampled: int = 0
    done: bool = False


@dataclass(slots=True, eq=False)
class Request:
    """One call of `generate`, owned by the worker thread except for `cancelled`."""

    prompt: list[int]
    sampling: Sampling
    n: int
    session: str | None
    max_tokens: int
    deliver: Callable[[list[Delta] | Exception], None]
    cancelled: bool = False
    ended: bool = False
    cached_tokens: int = 0
    cache: Cache | None = None
    leader: tuple[Request, int] | None = None
    """A request that is computing the beginning of this one's prompt, and how many tokens of it."""
    candidates: list[Candidate] = field(default_factory=list)

    def begin_candidates(self, device: torch.device, tokenizer: Any, stop_ids: frozenset[int]) -> None:
        """The prompt is computed: begin `n` replies, each with a cache and a random generator of its own."""
        assert self.cache is not None
        for index in range(self.n):
            last = index == self.n - 1
            cache = self.cache if last else self.cache.copy(self.cache.length)
            assert cache is not None
            generator = torch.Generator(device=device)
            if self.sampling.seed is None:
                generator.seed()
            else:
                generator.manual_seed((self.sampling.seed + index) % 2**63)
            text = ReplyText(tokenizer, stop_ids, self.sampling.stop, self.max_tokens)
            self.candidates.append(Candidate(index, list(self.prompt), cache, generator, text))

    def add(self, candidate: Candidate, token: int) -> Delta:
        """Let a candidate grow by a token; what is new of it."""
        candidate.sampled += 1
        candidate.ids.append(token)
        text, reason = candidate.text.add((token,))
        candidate.done = reason is not None
        cached = self.cached_tokens if candidate.sampled == 1 else 0
        return Delta(candidate.index, (token,), text, reason, cached)
