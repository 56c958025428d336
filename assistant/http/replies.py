"""`/api`: saying something, and following the reply.

A reply belongs to its conversation, not to the connection that asked for it: it goes on when the client leaves, and
can be read again from any event on, in any process that shares the database.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from assistant.http.access import needs
from assistant.http.chat_request import LARGEST_ID, LONGEST_REPLY, Stop
from assistant.http.errors import ErrorBody
from assistant.http.following import live, stored
from assistant.http.server_sent import EventStream
from assistant.http.serving import Serving, Start, current, request_key
from assistant.sampling import Sampling
from assistant.service import ACTIVE_LEAF
from assistant.store.errors import AlreadySentError, NotFoundError
from assistant.store.records import StoredMessage

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
MaybeId = Annotated[int, Field(ge=1, le=LARGEST_ID)] | None
Words = Annotated[str, StringConstraints(min_length=1, max_length=500_000)]
Current = Annotated[Serving, Depends(current)]

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stored reply; with `stream` its events: started, notice, text, judged, retracted, blocked, "
        "finished, failed, and snapshot where another process makes it.",
        "content": {"application/json": {}, "text/event-stream": {}},
    },
    404: {"model": ErrorBody},
}

_MESSAGE = TypeAdapter(StoredMessage)

router = APIRouter(prefix="/api", tags=["Conversations"], dependencies=[Depends(needs("conversations"))])


class Answering(BaseModel):
    """How to answer. What is left out is as the persona has it."""

    model_config = ConfigDict(extra="forbid")

    stream: bool = True
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=LONGEST_REPLY)
    stop: Annotated[list[Stop], Field(max_length=8)] | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)

    def over(self, base: Sampling) -> Sampling:
        """The conversation's or persona's settings with these."""
        asked = self.model_dump(include=set(Sampling.model_fields), exclude_none=True)
        return Sampling.model_validate(base.model_dump() | asked)


class Saying(Answering):
    """A message. `parent_id` is the reply it follows, null for a new beginning; left out, the active branch's end."""

    text: Words
    parent_id: MaybeId | Literal["active"] = "active"


class Retrying(Answering):
    """`reply_id` left out is the active branch's last reply."""

    reply_id: MaybeId = None


class Editing(Answering):
    text: Words


@router.post("/conversations/{id}/messages", responses=STREAM)
async def say(id: Id, body: Saying, request: Request, serving: Current) -> Response:
    """Say something in a conversation. With an `Idempotency-Key` header a request may be sent again."""
    assistant = await serving.answering(id)
    parent = ACTIVE_LEAF if body.parent_id == "active" else body.parent_id
    sampling, key = await _sampling(serving, id, body), request_key(request)

    async def start(_: object) -> Any:
        return await assistant.send(id, body.text, parent_id=parent, sampling=sampling, request_key=key)

    try:
        return await _answer(serving, request, start, body.stream)
    except AlreadySentError as sent:
        return await _follow(serving, sent.reply_id, 0) if body.stream else await _stored(serving, sent.reply_id)


@router.post("/conversations/{id}/retry", responses=STREAM)
async def retry(id: Id, body: Retrying, request: Request, serving: Current) -> Response:
    """Answer again, beside the reply that is there."""
    assistant, sampling = await serving.answering(id), await _sampling(serving, id, body)

    async def start(_: object) -> Any:
        return await assistant.retry(id, body.reply_id, sampling=sampling)

    return await _answer(serving, request, start, body.stream)


@router.post("/messages/{id}/edit", responses=STREAM)
async def edit(id: Id, body: Editing, request: Request, serving: Current) -> Response:
    """Say something else instead, on a new branch; the old one stays."""
    message = await asyncio.to_thread(serving.store.message, id)
    assistant = await serving.answering(message.conversation_id)
    sampling = await _sampling(serving, message.conversation_id, body)

    async def start(_: object) -> Any:
        return await assistant.edit(id, body.text, sampling=sampling)

    return await _answer(serving, request, start, body.stream)


@router.get("/replies/{id}/events", response_class=Response, responses=STREAM)
async def events(
    id: Id,
    serving: Current,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="The last event's id.")] = 0,
    last_event_id: Annotated[str | None, Header(description="As browsers send it when they reconnect.")] = None,
) -> Response:
    """A reply's events after one of them, those of the past at once, until it ends."""
    if last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) < 10:
        after = int(last_event_id)
    return await _follow(serving, id, after)


@router.post("/replies/{id}/stop", status_code=202)
async def stop(id: Id, serving: Current) -> dict[str, bool]:
    """End a reply where it is, keeping what came, whichever process makes it."""
    turn = serving.running(id)
    if turn is not None:
        turn.stop()
    else:
        await asyncio.to_thread(serving.store.ask_to_stop, id)
    return {"asked": True}


async def _sampling(serving: Serving, conversation_id: int, body: Answering) -> Sampling:
    store = serving.store
    conversation = await asyncio.to_thread(store.conversation, conversation_id)
    version = await asyncio.to_thread(store.persona_version, conversation.persona_version_id)
    return body.over(conversation.sampling or version.persona.sampling)


async def _answer(serving: Serving, request: Request, start: Start, stream: bool) -> Response:
    turn = (await serving.begin(request, start))[0]
    if stream:
        return EventStream(live(turn))
    await turn.wait()
    return await _stored(serving, turn.reply_id)


async def _follow(serving: Serving, reply_id: int, after: int) -> EventStream:
    turn = serving.running(reply_id)
    if turn is not None:
        return EventStream(live(turn, after))
    reply = await asyncio.to_thread(serving.store.message, reply_id)
    if reply.role != "assistant":
        raise NotFoundError(f"message {reply_id} is no reply: only replies have events")
    return EventStream(stored(serving.store, reply))


async def _stored(serving: Serving, reply_id: int) -> Response:
    """The reply as it is in the store, once it has ended."""
    store = serving.store
    turn = serving.running(reply_id)
    if turn is not None:
        await turn.wait()
    return Response(_MESSAGE.dump_json(await asyncio.to_thread(store.message, reply_id)), media_type="application/json")
