"""Reading our own JSON export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.events import Status
from assistant.personas.files import PersonaFileError, validate
from assistant.personas.persona import Persistence, Persona
from assistant.sampling import Sampling
from assistant.store.records import Feedback, NewMessage, Role, Stricter, Verdict
from assistant.text import clean_text
from assistant.transfer.draft import Draft, ItemError
from assistant.transfer.export import VERSION
from assistant.transfer.tree import parents_first

Count = Annotated[int, Field(ge=0, lt=2**31)]
Moment = Annotated[int, Field(ge=0, lt=2**53)]


Real = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=32)]


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="ignore")

    stage: Name
    judge: str
    judge_version: str
    score: Real | None = None
    threshold: Real | None = None
    decision: Name
    reason: str = ""
    policy_hash: str = ""
    latency_ms: Real = 0.0
    created_at: Moment


class _Feedback(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rating: Literal[-1, 1]
    comment: str = ""
    created_at: Moment


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: int
    parent: int | None = None
    role: Role
    content: str
    status: Status = "complete"
    finish_reason: str | None = None
    error: str | None = None
    model: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cached_tokens: Count = 0
    ttft_ms: Count | None = None
    duration_ms: Count | None = None
    persona_version: int | None = None
    dropped_turns: Count = 0
    created_at: Moment | None = None
    verdicts: list[_Verdict] = Field(default_factory=list)
    feedback: list[_Feedback] = Field(default_factory=list)


class _PersonaVersion(BaseModel):
    id: int
    persona: dict[str, Any]


class _Conversation(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: Literal["steadfast.conversation"]
    title: str = ""
    model: str = ""
    engine: str = ""
    persistence: Persistence | None = None
    sampling: Sampling | None = None
    guard: Stricter | None = None
    pinned: bool = False
    archived: bool = False
    tags: list[str] = Field(default_factory=list)
    created_at: Moment | None = None
    updated_at: Moment | None = None
    active_leaf: int | None = None
    persona_version: int
    persona_versions: list[_PersonaVersion]
    messages: list[_Message]


def read_own(item: dict[str, Any]) -> Draft:
    """The conversation in an object made by `export_json`; raises ItemError."""
    version = item.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        fix = "upgrade this program to read it" if newer else f"known is version {VERSION}"
        raise ItemError(f"is of format version {version!r}; {fix}")
    try:
        read = _Conversation.model_validate(item)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ItemError(f"{place}: {fault['msg']}; export the conversation again") from None
    by_id = {message.id: message for message in read.messages}
    if len(by_id) < len(read.messages):
        raise ItemError("has two messages with one id; export the conversation again")
    order = parents_first({message.id: message.parent for message in read.messages})
    places = {id: place for place, id in enumerate(order)}
    if read.active_leaf is not None and read.active_leaf not in places:
        raise ItemError(f"active_leaf {read.active_leaf} is no message of it; export the conversation again")

    present = [kept for kept in read.persona_versions if kept.id == read.persona_version]
    others = [kept for kept in read.persona_versions if kept.id != read.persona_version]
    if not present:
        raise ItemError(f"persona_version {read.persona_version} is not in it; export the conversation again")
    personas = present[:1] + others
    persona_places = {kept.id: place for place, kept in enumerate(personas)}
    unknown = [m for m in read.messages if m.persona_version not in (None, *persona_places)]
    if unknown:
        raise ItemError(f"message {unknown[0].id} names a persona_version that is not in it; export it again")
    return Draft(
        personas=[_persona(kept) for kept in personas],
        rows=[_row(by_id[id], places, persona_places) for id in order],
        active=None if read.active_leaf is None else places[read.active_leaf],
        title=read.title,
        model=read.model,
        engine=read.engine,
        persistence=read.persistence,
        sampling=read.sampling,
        guard=read.guard,
        tags=read.tags,
        pinned=read.pinned,
        archived=read.archived,
        verdicts=[Verdict(0, places[id], **dict(kept)) for id in order for kept in by_id[id].verdicts],
        feedback=[Feedback(0, places[id], **dict(kept)) for id in order for kept in by_id[id].feedback],
        created_at=read.created_at,
        updated_at=read.updated_at,
    )


def _persona(kept: _PersonaVersion) -> Persona:
    try:
        return validate(Path(f"persona_version {kept.id}"), kept.persona)
    except PersonaFileError as error:
        raise ItemError(str(error)) from None


def _row(message: _Message, places: dict[int, int], personas: dict[int, int]) -> NewMessage:
    return NewMessage(
        role=message.role,
        content=message.content,
        after=None if message.parent is None else places[message.parent],
        # Whoever was writing it writes it elsewhere.
        status="interrupted" if message.status == "streaming" else message.status,
        created_at=message.created_at,
        finish_reason=None if message.finish_reason is None else clean_text(message.finish_reason),
        error=message.error,
        model=clean_text(message.model),
        params=message.params,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        cached_tokens=message.cached_tokens,
        ttft_ms=message.ttft_ms,
        duration_ms=message.duration_ms,
        persona_version_id=None if message.persona_version is None else personas[message.persona_version],
        dropped_turns=message.dropped_turns,
    )
