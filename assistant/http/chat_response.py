"""Replies as chat completions: whole ones and chunks."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.events import Blocked, Failed, Finished, Retracted, Text
from assistant.http.errors import ApiError, unavailable
from assistant.turn import Turn

# What a stream puts between text that no longer counts, which it cannot take back, and what comes in its place.
INSTEAD = "\n\n"


@dataclass(slots=True)
class Usage:
    """Tokens of one request. Several candidates share its prompt."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def add(self, ended: Finished) -> None:
        """Count one candidate."""
        self.prompt = max(self.prompt, ended.prompt_tokens)
        self.cached = max(self.cached, ended.cached_tokens)
        self.completion += ended.completion_tokens

    def body(self) -> dict[str, Any]:
        """As OpenAI counts them."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": min(self.cached, self.prompt)},
        }


@dataclass(frozen=True, slots=True)
class Head:
    """What all objects of one answer begin with. `conversation` is None where none is stored."""

    id: str
    model: str
    conversation: int | None = None
    messages: Sequence[int] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, object: str) -> dict[str, Any]:
        """As JSON; a stored conversation's number and its replies' are our own additions."""
        head: dict[str, Any] = {"id": self.id, "object": object, "created": self.created, "model": self.model}
        if self.conversation is not None:
            head |= {"conversation": self.conversation, "message_ids": list(self.messages)}
        return head


async def whole(head: Head, turns: Sequence[Turn]) -> dict[str, Any]:
    """The completion, once every turn has ended. Raises ApiError where one failed."""
    usage, choices = Usage(), []
    for index, turn in enumerate(turns):
        text = ""
        async for event in turn.events():
            if isinstance(event, Text):
                text += event.text
            elif isinstance(event, Retracted):
                text = ""
            elif isinstance(event, Blocked):
                text = event.text
            elif isinstance(event, Failed):
                raise failure(event)
            elif isinstance(event, Finished):
                usage.add(event)
                message = {"role": "assistant", "content": text, "refusal": None}
                choices.append(_choice(index, "message", message, _reason(event)))
    return {**head.body("chat.completion"), "choices": choices, "usage": usage.body()}


async def chunks(head: Head, turn: Turn, index: int, usage: Usage) -> AsyncGenerator[dict[str, Any], None]:
    """One candidate's chunks. Raises ApiError where the turn failed."""
    base = head.body("chat.completion.chunk")

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [_choice(index, "delta", delta, reason)]}

    yield chunk({"role": "assistant", "content": ""})
    told, between = False, ""
    async for event in turn.events():
        if isinstance(event, Text):
            yield chunk({"content": between + event.text})
            told, between = True, ""
        elif isinstance(event, Retracted):
            between = INSTEAD if told else ""
        elif isinstance(event, Blocked):
            yield chunk({"content": (INSTEAD if told else "") + event.text})
        elif isinstance(event, Failed):
            raise failure(event)
        elif isinstance(event, Finished):
            usage.add(event)
            yield chunk({}, _reason(event))


def failure(event: Failed) -> ApiError:
    """What a client is told of a turn that failed."""
    if event.refused:
        return ApiError(400, event.error, code="context_length_exceeded", param="messages")
    return unavailable(event.error, code="engine_failed")


def _reason(ended: Finished) -> str:
    if ended.status == "interrupted":
        raise unavailable("the server stopped in mid-reply: ask again", code="interrupted")
    if ended.status == "blocked":
        return "content_filter"
    return ended.finish_reason or "stop"


def _choice(index: int, key: str, value: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": index, key: value, "logprobs": None, "finish_reason": reason}
