"""A reply's text as its tokens come: the same on every engine that gives tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers.decoders import DecodeStream

from assistant.engines.protocol import FinishReason
from assistant.engines.stops import StopBuffer


class ReplyText:
    """Decodes whole characters, and ends at a stop token, before a stop string, or after `max_tokens`."""

    def __init__(self, tokenizer: Any, stop_ids: frozenset[int], stop: tuple[str, ...], max_tokens: int) -> None:
        """`tokenizer` is the backend of a fast tokenizer."""
        self._tokenizer = tokenizer
        self._stop_ids = stop_ids
        self._max_tokens = max_tokens
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stops = StopBuffer(stop)
        self.count = 0

    def add(self, tokens: Iterable[int]) -> tuple[str, FinishReason | None]:
        """What new tokens add to the text, and whether the reply ends with them. Tokens after its end are ignored."""
        text = ""
        for token in tokens:
            self.count += 1
            reason: FinishReason | None = None
            if token in self._stop_ids:
                reason = "stop"
            else:
                text += self._stops.push(self._stream.step(self._tokenizer, token) or "")
                if self._stops.stopped:
                    reason = "stop"
                elif self.count >= self._max_tokens:
                    reason = "length"
            if reason:
                return text + self._stops.flush(), reason
        return text, None
