"""A request for a chat completion, as OpenAI's clients send it, and what it means here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from assistant.http.errors import ApiError
from assistant.sampling import Sampling
from assistant.text import clean_text
from assistant.window import Exchanged
from guardrails.messages import Message

LARGEST_ID = 2**63 - 1
LONGEST_REPLY = 32768

Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TextPart(BaseModel):
    """A piece of a message. Pictures and sound are refused."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The whole of it."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """OpenAI's fields that can be served, and two of our own: `conversation` and `repetition_penalty`.

    What would change the answer and cannot be served is refused; what only describes the request (`user`, `metadata`
    and the like) is ignored.
    """

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(1, ge=1, le=8)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    repetition_penalty: float | None = Field(None, ge=1, le=2)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: Stop | Annotated[list[Stop], Field(max_length=8)] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    store: bool | None = Field(None, description='true is the same as conversation "new".')
    conversation: Annotated[int, Field(ge=1, le=LARGEST_ID)] | Literal["new"] | None = Field(
        None, description="Go on in a stored conversation, or begin one; without it the client keeps the history."
    )

    @model_validator(mode="after")
    def _refuse_what_cannot_be_served(self) -> Self:
        for name, harmless in _UNSERVED.items():
            value = (self.model_extra or {}).get(name)
            if value not in harmless:
                raise ValueError(f"'{name}' cannot be served here: leave it out")
        return self

    def sampling(self, base: Sampling, index: int = 0) -> Sampling:
        """The settings for the request's candidate `index`: `base` with what was asked for."""
        limit = self.max_completion_tokens or self.max_tokens
        asked = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "max_tokens": None if limit is None else min(limit, LONGEST_REPLY),
            "stop": (self.stop,) if isinstance(self.stop, str) else self.stop,
            "seed": None if self.seed is None else (self.seed + index) % 2**63,
        }
        return Sampling.model_validate(base.model_dump() | {k: v for k, v in asked.items() if v is not None})


# Fields whose meaning would be lost if they were ignored, each with the values that ask for nothing.
_UNSERVED: dict[str, Sequence[Any]] = {
    "tools": (None, []),
    "functions": (None, []),
    "tool_choice": (None, "none", "auto"),
    "function_call": (None, "none", "auto"),
    "response_format": (None, {"type": "text"}),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "modalities": (None, ["text"]),
    "audio": (None,),
}


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A client's messages: its system messages as one, whole turns, and what is to be answered."""

    system: str
    history: list[Exchanged]
    newest: str

    @property
    def messages(self) -> list[Message]:
        """The history, one message after the other."""
        return [message for exchange in self.history for message in exchange]


def dialogue(messages: Sequence[ChatMessage]) -> Dialogue:
    """The dialogue in a client's messages.

    System messages, wherever they stand, are joined. So are several messages of one side in a row, as chat templates
    take turns strictly. A reply before any question, such as a greeting, answers an empty one.

    Raises:
        ApiError: nothing is asked at the end.
    """
    system = "\n\n".join(message.text for message in messages if message.role in ("system", "developer"))
    sides: list[list[str]] = []
    speaker = ""
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        if not sides and message.role == "assistant":
            sides.append([""])
        if message.role == speaker:
            sides[-1].append(message.text)
        else:
            sides.append([message.text])
        speaker = message.role
    if speaker != "user":
        raise ApiError(400, "the last message must be the user's: it is what gets answered", param="messages")
    said = [clean_text("\n\n".join(texts)) for texts in sides]
    if not said[-1].strip():
        raise ApiError(400, "the last message is empty: say something first", param="messages")
    turns = zip(said[:-1:2], said[1:-1:2], strict=True)
    history = [(Message("user", question), Message("assistant", reply)) for question, reply in turns]
    return Dialogue(clean_text(system), history, said[-1])
