"""What every engine offers. The turn pipeline knows no more of an engine than this."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from assistant.sampling import Sampling
from guardrails.messages import Message
from guardrails.rendering import Rendered

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """New output of one candidate.

    `text` is what the new tokens add to the reply, cut at a stop string; it may be empty while a character's
    bytes are incomplete. `finish_reason` is set on the candidate's last delta alone. `cached_tokens` is how many
    prompt tokens the engine did not have to compute again, set on one delta alone: the first, or, where a server
    tells it at the end, the last.
    """

    candidate: int
    token_ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0


class Template(Protocol):
    """What turns messages into the ids that an engine is given: `ChatTemplate`, wherever the tokenizer is at hand."""

    @property
    def control_ids(self) -> frozenset[int]:
        """Ids that no text is ever encoded as."""
        ...

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> Rendered:
        """Ids of a chat, with the span of every message's text. Raises RenderingError."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of plain text. Raises RenderingError."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, what is not of a message included."""
        ...

    def count(self, text: str) -> int:
        """How many tokens `text` takes as the text of a message."""
        ...


class Engine(Protocol):
    """A loaded model. Safe to call from many tasks of one event loop at once."""

    @property
    def name(self) -> str:
        """The engine's own name, such as `transformers`."""
        ...

    @property
    def model(self) -> str:
        """The name of the model it serves."""
        ...

    @property
    def window(self) -> int:
        """Most tokens of prompt and reply together."""
        ...

    @property
    def template(self) -> Template:
        """Tokenizer and chat template of the model."""
        ...

    def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """Stream `n` candidates for a prompt.

        Closing the iterator, or cancelling the task that reads it, stops the work. Requests with one `session`
        are turns of one conversation: an engine may keep what it computed for the next of them.

        Raises:
            EngineError: the prompt does not fit, or the engine failed.
        """
        ...

    async def close(self) -> None:
        """Free the model; running requests end with EngineError."""
        ...
