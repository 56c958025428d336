"""`/api`: conversations as they are stored: lists, trees, search, marks, export, feedback."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assistant.http.access import needs
from assistant.http.chat_request import LARGEST_ID
from assistant.http.errors import ApiError, ErrorBody
from assistant.http.serving import Serving, current
from assistant.store.records import Conversation, ConversationSummary, Feedback, SearchHit, StoredMessage, Verdict
from assistant.terminal.custom import custom_persona
from assistant.text import clean_text
from assistant.transfer.export import export_json, export_sharegpt
from assistant.transfer.markdown import export_markdown

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Name = Annotated[str, StringConstraints(max_length=200)]
Current = Annotated[Serving, Depends(current)]

# Plain functions: the store is synchronous, and FastAPI calls these on threads.
router = APIRouter(
    prefix="/api",
    tags=["Conversations"],
    dependencies=[Depends(needs("conversations"))],
    responses={400: {"model": ErrorBody}, 404: {"model": ErrorBody}},
)


class PersonaSummary(BaseModel):
    name: str
    title: str
    description: str
    greeting: str


class Beginning(BaseModel):
    """A new conversation, with a persona or an instruction of its own; with neither, the server's default persona."""

    model_config = ConfigDict(extra="forbid")

    persona: Name | None = None
    instruction: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    title: Name = ""


class Changes(BaseModel):
    """What to change; what is left out stays. `tags` replaces them all."""

    model_config = ConfigDict(extra="forbid")

    title: Name | None = None
    pinned: bool | None = None
    archived: bool | None = None
    trashed: bool | None = None
    persona: Name | None = None
    active_leaf_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    tags: Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=50)] | None = None


class Rating(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rating: Literal[-1, 1]
    comment: Annotated[str, StringConstraints(max_length=10_000)] = ""


class Tree(BaseModel):
    """Every branch, oldest first: `parent_id` says how the messages hang together."""

    conversation: Conversation
    tags: list[str]
    messages: list[StoredMessage]


class Reviewed(BaseModel):
    message: StoredMessage
    verdicts: list[Verdict]
    feedback: list[Feedback]


@router.get("/personas")
def personas(serving: Current) -> list[PersonaSummary]:
    """Who can answer."""
    return [
        PersonaSummary(name=one.name, title=one.title, description=one.description, greeting=one.greeting)
        for one in serving.library.all()
    ]


@router.get("/conversations")
def conversations(
    serving: Current,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    archived: bool = False,
    trashed: bool = False,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    persona: Annotated[str | None, Query(max_length=200)] = None,
) -> list[ConversationSummary]:
    """The newest first, by when something was last said."""
    return serving.store.list_conversations(
        limit, offset, archived=archived, trashed=trashed, tag=_plain(tag), persona=_plain(persona)
    )


@router.post("/conversations", status_code=201)
def begin(body: Beginning, serving: Current) -> Conversation:
    """Begin a conversation."""
    if body.persona is not None and body.instruction is not None:
        raise ApiError(400, "persona and instruction both say who answers: give one of them")
    if body.instruction is not None:
        persona = custom_persona(_plain(body.instruction) or "")
    else:
        persona = serving.library.get(body.persona or serving.persona)
    store, engine = serving.store, serving.assistant.engine
    version = store.save_persona(persona)
    return store.create_conversation(version.id, title=body.title, model=engine.model, engine=engine.name)


@router.get("/conversations/{id}")
def conversation(id: Id, serving: Current) -> Tree:
    """A conversation with all its messages."""
    store = serving.store
    return Tree(conversation=store.conversation(id), tags=store.tags(id), messages=store.all_messages(id))


@router.patch("/conversations/{id}")
def change(id: Id, body: Changes, serving: Current) -> Conversation:
    """Name, mark, put away, take back, tag, give to another persona, or go on at another message."""
    store = serving.store
    store.conversation(id)
    if body.active_leaf_id is not None:
        store.set_active_leaf(id, body.active_leaf_id)
    if body.persona is not None:
        store.set_persona(id, store.save_persona(serving.library.get(body.persona)).id)
    if body.title is not None:
        store.set_title(id, body.title)
    if body.pinned is not None:
        store.set_pinned(id, body.pinned)
    if body.archived is not None:
        store.set_archived(id, body.archived)
    if body.trashed is not None:
        (store.trash if body.trashed else store.restore)(id)
    if body.tags is not None:
        for tag in store.tags(id):
            store.remove_tag(id, tag)
        for tag in body.tags:
            store.add_tag(id, tag)
    return store.conversation(id)


@router.delete("/conversations/{id}", status_code=204)
def delete(id: Id, serving: Current, forever: bool = False) -> None:
    """Into the trash, from where PATCH takes it back; or `forever`, with everything said in it."""
    store = serving.store
    if forever:
        store.delete(id)
    else:
        store.trash(id)


@router.get("/conversations/{id}/export", response_class=Response)
def export(id: Id, serving: Current, format: Literal["json", "sharegpt", "markdown"] = "json") -> Response:
    """The whole tree as our JSON, or the active branch as a line of ShareGPT or as Markdown."""
    store = serving.store
    if format == "markdown":
        return PlainTextResponse(export_markdown(store, id), media_type="text/markdown")
    return JSONResponse(export_json(store, id) if format == "json" else export_sharegpt(store, id))


@router.get("/messages/{id}")
def message(id: Id, serving: Current) -> Reviewed:
    """A message, and what judges and people said of it."""
    store = serving.store
    return Reviewed(message=store.message(id), verdicts=store.verdicts(id), feedback=store.feedback(id))


@router.post("/messages/{id}/feedback", status_code=201)
def rate(id: Id, body: Rating, serving: Current) -> Feedback:
    """Say that a message is good (1) or bad (-1). Earlier ratings stay; the last one counts."""
    return serving.store.add_feedback(id, body.rating, body.comment)


@router.get("/search")
def search(
    serving: Current,
    q: Annotated[str, Query(max_length=1000, description="Words, all of which a message must hold.")],
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    conversation_id: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
) -> list[SearchHit]:
    """Messages, best first."""
    return serving.store.search(q, limit, conversation_id)


def _plain(text: str | None) -> str | None:
    """What a database can be asked for."""
    return None if text is None else clean_text(text)
