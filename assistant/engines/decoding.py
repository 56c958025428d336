"""Which tokens are computed in a step: one of every running reply, and as much of the new prompts as fits beside them.

A step is one forward for all of them, if the model can be run so (`packed`), else one for each (`one_by_one`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from assistant.engines.errors import EngineError
from assistant.engines.forward import Forward, Row
from assistant.engines.kept import KeptCaches, shared_prefix
from assistant.engines.protocol import Delta
from assistant.engines.request import Candidate, Request
from assistant.engines.sampler import draw

# Prompt tokens computed in a step: long prompts are computed in parts, so that a stop is heeded in between.
PREFILL_TOKENS = 512
# As many while replies are running, so that these do not halt for long (a GPU computes 512 as quickly) ...
PREFILL_TOKENS_BESIDE = 128
# ... unless more prompts than these are waiting: then it is they who wait longest.
WAITING_PROMPTS = 4
# Replies that run at once, for the memory of their caches; further requests wait for their turn.
RUNNING = 64
# A shared beginning of fewer tokens is computed again rather than copied.
WORTH_COPYING = 16


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that a step computes of a request: the last of a candidate's, or a part of the prompt."""

    request: Request
    row: Row
    candidate: Candidate | None

    @property
    def ends_prompt(self) -> bool:
        """Whether the prompt is computed with it. True after the step, too."""
        return self.candidate is None and self.row.cache.length >= len(self.request.prompt)


class Sequencer:
    """Advances requests step by step. Not thread-safe: it belongs to one worker thread."""

    def __init__(self, forward: Forward, tokenizer: Any, stop_ids: frozenset[int], device: torch.device) -> None:
        self._forward = forward
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._device = device
        self._kept = KeptCaches()

    @torch.inference_mode()
    def step(self, requests: list[Request]) -> list[Request]:
        """Advance every request; those that go on, in the same order. Whatever fails, fails for its request alone."""
        for request in requests:
            if request.cancelled:
                self._end(request)
        requests = [request for request in requests if not request.ended]
        parts = self._plan(requests)
        drawn: list[tuple[Request, Candidate, torch.Tensor]] = []
        for part, logits in zip(parts, self._compute([part.row for part in parts]), strict=True):
            request = part.request
            if request.ended:
                continue
            if isinstance(logits, Exception):
                self._fail(request, logits)
            elif part.candidate:
                drawn.append((request, part.candidate, logits))
            elif part.ends_prompt:
                try:
                    request.begin_candidates(self._device, self._tokenizer, self._stop_ids)
                except Exception as error:
                    self._fail(request, error)
                drawn += [(request, candidate, logits) for candidate in request.candidates]
        self._grow([item for item in drawn if not item[0].ended])
        return [request for request in requests if not request.ended]

    def _plan(self, requests: list[Request]) -> list[Part]:
        """What this step computes: a token of every running reply first."""
        parts: list[Part] = []
        prompts: list[Request] = []
        active: list[Request] = []
        replies = 0
        for request in requests:
            replies += request.n
            if active and replies > RUNNING:
                break
            if request.candidates:
                running = [c for c in request.candidates if not c.done]
                parts += [Part(request, Row(c.ids[-1:], c.cache), c) for c in running]
            elif request.cache is not None or self._begin(request, active):
                prompts.append(request)
            active.append(request)
        spare = bool(parts) and self._device.type == "cpu" and len(prompts) <= WAITING_PROMPTS
        room = PREFILL_TOKENS_BESIDE if spare else PREFILL_TOKENS
        for request, size in _shares(prompts, room):
            assert request.cache is not None
            done = request.cache.length
            parts.append(Part(request, Row(request.prompt[done : done + size], request.cache), None))
        return parts

    def _begin(self, request: Request, before: list[Request]) -> bool:
        """Give a new request a cache that holds what is known of its prompt; False while another computes more of it.

        At least the last token of the prompt is computed again: its logits begin the reply.
        """
        prompt = request.prompt[:-1]
        kept = self._kept.shared(request.session, prompt)
        if request.leader is None:
            # Kept caches serve their conversation alone; what runs at the same time serves every request.
            shared = [(shared_prefix(other.prompt, prompt), -index) for index, other in enumerate(before)]
            length, index = max(shared, default=(0, 0))
            if length >= kept + WORTH_COPYING:
                request.leader = before[-index], length
        if request.leader:
            leader, length = request.leader
            if leader.cache is not None and leader.cache.length >= length:
                request.cache = leader.cache.copy(length)
                request.leader = None
            elif not leader.ended:
                return False
        if request.cache is None:
            request.leader = None
            request.cache = self._kept.take(request.session, kept) or self._forward.new_cache()
        request.cached_tokens = request.cache.length
        return True

    def _compute(self, rows: Sequence[Row]) -> list[torch.Tensor | Exception]:
        """Logits (vocabulary,) of every row, or why it has none."""
        if not rows:
            return []
        if len(rows) <= self._forward.most_rows:
            try:
                return list(self._forward(rows).unbind(0))
            except Exception as error:
                if len(rows) == 1:
                    return [error]
        # Each alone: because the model knows no other way, or to find the one that fails.
        return [self._compute([row])[0] for row in rows]

    def _grow(self, drawn: list[tuple[Request, Candidate, torch.Tensor]]) -> None:
        """Draw a token for each candidate from its logits (vocabulary,), and hand it on."""
        if not drawn:
            return
        logits = torch.stack([row for _, _, row in drawn])
        deltas: dict[Request, list[Delta]] = {request: [] for request, _, _ in drawn}
        tokens = draw(logits, [(request.sampling, candidate) for request, candidate, _ in drawn])
        for (request, candidate, _), token in zip(drawn, tokens, strict=True):
            if isinstance(token, Exception):
                self._fail(request, token)
            else:
                deltas[request].append(request.add(candidate, token))
        for request, new in deltas.items():
            if not request.ended:
                request.deliver(new)
                if all(candidate.done for candidate in request.candidates):
                    self._end(request)

    def _end(self, request: Request) -> None:
        """No more of this request; what was computed is kept for the conversation's next."""
        request.ended = True
        if request.session is not None and request.cache is not None:
            ids = request.candidates[-1].ids if request.candidates else request.prompt
            self._kept.put(request.session, ids[: request.cache.length], request.cache)

    def _fail(self, request: Request, error: Exception) -> None:
        """The failure belongs to the request that caused it. Its cache, which may be half written, is forgotten."""
        if not request.ended:
            request.ended = True
            request.cache = None
            request.deliver(EngineError(f"the model failed: {type(error).__name__}: {error}"))


def _left(request: Request) -> int:
    """How many tokens of the prompt are to be computed."""
    return len(request.prompt) - (request.cache.length if request.cache else 0)


def _shares(prompts: list[Request], room: int) -> list[tuple[Request, int]]:
    """How many tokens of which prompts to compute next, `room` in all.

    The oldest has half, so that short ones cannot keep it from ending; the shortest have the rest, so that a long one
    does not delay them.
    """
    sizes: dict[Request, int] = {}
    for request in prompts[:1]:
        sizes[request] = min(_left(request), room // 2)
    for request in sorted(prompts, key=_left):
        begun = sizes.get(request, 0)
        sizes[request] = min(_left(request), begun + room - sum(sizes.values()))
    return [(request, size) for request, size in sizes.items() if size]
