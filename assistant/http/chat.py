"""`/v1/chat/completions`.

Without `conversation` the client keeps the history and nothing is stored, though every reply passes the same guard and
its verdicts are on record. With it the server has the history, and a request brings its new message alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from assistant.events import Failed
from assistant.http.access import needs, permit
from assistant.http.chat_request import ChatRequest, Dialogue, dialogue
from assistant.http.chat_response import Head, Usage, chunks, failure, whole
from assistant.http.errors import ApiError, ErrorBody, as_api_error
from assistant.http.models import Target, find
from assistant.http.server_sent import EventStream, departure, frame
from assistant.http.serving import Serving, current, request_key
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.records import NewMessage
from assistant.turn import Turn
from guardrails.errors import UserError, first_mistake

router = APIRouter(prefix="/v1", tags=["OpenAI"], dependencies=[Depends(needs("chat"))])

# Clients of OpenAI's API send a request again when it fails. What is stored would then be said twice.
ONCE = {"x-should-retry": "false"}
# So that nobody can tell from a log what a conversation began with.
_SALT = secrets.token_bytes(16)


@router.post("/chat/completions", responses={400: {"model": ErrorBody}})
async def complete(body: ChatRequest, request: Request, serving: Annotated[Serving, Depends(current)]) -> Response:
    """Answer a conversation: the client's own, or a stored one."""
    target = find(body.model, serving)
    asked = dialogue(body.messages)
    stored = body.conversation is not None or bool(body.store)
    try:
        answer = _stored if stored else _unstored
        turns = await answer(serving, request, body, target, asked)
        head = Head(f"chatcmpl-{request.state.request_id}", target.name)
        if stored:
            head = Head(head.id, target.name, turns[0].conversation_id, [turn.reply_id for turn in turns])
        if body.stream:
            await _refuse_early(turns)
            wants_usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(_frames(head, turns, stored, wants_usage))
        return JSONResponse(await _to_the_end(request, head, turns, stored))
    except (UserError, ApiError) as error:
        told = as_api_error(error) if isinstance(error, UserError) else error
        if stored:
            told.headers |= ONCE
        raise told from error


async def _unstored(
    serving: Serving, request: Request, body: ChatRequest, target: Target, asked: Dialogue
) -> list[Turn]:
    base = target.persona.sampling if target.persona is not None else Sampling()
    instruction, name = _instruction(target.persona, asked.system), _name(target, asked)

    async def start(begun: Sequence[Turn]) -> Turn:
        return await target.assistant.answer(
            target.persona,
            asked.history,
            asked.newest,
            instruction=instruction,
            sampling=body.sampling(base, len(begun)),
            name=name,
        )

    return await serving.begin(request, *[start] * (body.n or 1))


async def _stored(serving: Serving, request: Request, body: ChatRequest, target: Target, asked: Dialogue) -> list[Turn]:
    assistant = target.assistant
    if isinstance(body.conversation, int):
        # The answer tells what was said before: that is reading the conversation.
        permit(request.state.key, "chat", "conversations")
        if asked.system or asked.history:
            raise ApiError(
                400,
                "conversation has its history and instruction on the server: send the new user message alone",
                param="messages",
            )
        conversation = await asyncio.to_thread(assistant.store.conversation, body.conversation)
        version = await asyncio.to_thread(assistant.store.persona_version, conversation.persona_version_id)
        if target.persona is not None and target.persona.name != version.name:
            raise ApiError(
                400,
                f"conversation {conversation.id} is with '{version.name}': name that as the model",
                param="model",
            )
        id, base = conversation.id, conversation.sampling or version.persona.sampling
    else:
        persona = _persona(target, asked.system)
        id = await asyncio.to_thread(_begin, assistant, persona, asked)
        base = persona.sampling
    sampling = body.sampling(base)
    key = request_key(request)

    async def start(begun: Sequence[Turn]) -> Turn:
        if begun:
            return await assistant.retry(id, begun[0].reply_id, sampling=sampling)
        return await assistant.send(id, asked.newest, sampling=sampling, request_key=key)

    return await serving.begin(request, *[start] * (body.n or 1))


def _begin(assistant: Assistant, persona: Persona, asked: Dialogue) -> int:
    """A new conversation with the history that the client brings; its number."""
    store, engine = assistant.store, assistant.engine
    version = store.save_persona(persona)
    id = store.create_conversation(version.id, model=engine.model, engine=engine.name).id
    rows = [
        NewMessage(message.role, message.content, after=place - 1 if place else None)
        for place, message in enumerate(asked.messages)
    ]
    store.add_messages(id, rows)
    return id


def _instruction(persona: Persona | None, system: str) -> str:
    """The persona's comes first, byte for byte. A client's system message adds to it and replaces nothing."""
    return "\n\n".join(part for part in (persona.instruction if persona is not None else "", system) if part)


def _persona(target: Target, system: str) -> Persona:
    """Who answers in a stored conversation."""
    instruction = _instruction(target.persona, system)
    if not instruction:
        raise ApiError(
            400,
            f"a stored conversation with '{target.name}' needs a system message, or a persona's name as the model",
            param="messages",
        )
    custom = {"name": "custom", "title": "Custom"}
    spec = custom if target.persona is None else target.persona.model_dump()
    try:
        return Persona.model_validate({**spec, "instruction": instruction})
    except ValidationError as error:
        raise ApiError(400, f"the system message: {first_mistake(error, 'instruction')}", param="messages") from None


def _name(target: Target, asked: Dialogue) -> str:
    """The same for every request of one conversation, so that the engine finds what it computed for the last one."""
    first = asked.history[0][0].content if asked.history else asked.newest
    text = "\0".join((target.name, asked.system, first))
    return "client-" + hashlib.blake2b(text.encode("utf-8", "replace"), key=_SALT, digest_size=8).hexdigest()


async def _refuse_early(turns: Sequence[Turn]) -> None:
    """A turn that could not even begin is an error with a status; later ones can only be told in the stream."""
    for turn in turns:
        first = await anext(turn.events())
        if isinstance(first, Failed):
            raise failure(first)


async def _to_the_end(request: Request, head: Head, turns: Sequence[Turn], stored: bool) -> dict[str, Any]:
    """The whole completion. What is not stored is stopped when nobody waits for it any more."""
    completing = asyncio.create_task(whole(head, turns))
    gone = asyncio.create_task(departure(request.receive))
    try:
        await asyncio.wait((completing, gone), return_when=asyncio.FIRST_COMPLETED)
        if not completing.done() and not stored:
            _stop(turns)
        return await completing
    finally:
        gone.cancel()
        if not stored:
            _stop(turns)


async def _frames(head: Head, turns: Sequence[Turn], stored: bool, wants_usage: bool) -> AsyncGenerator[bytes, None]:
    usage = Usage()
    try:
        streams = [chunks(head, turn, index, usage) for index, turn in enumerate(turns)]
        async with aclosing(streams[0] if len(streams) == 1 else _merged(streams)) as merged:
            async for chunk in merged:
                yield frame(chunk)
        if wants_usage:
            yield frame({**head.body("chat.completion.chunk"), "choices": [], "usage": usage.body()})
        yield frame("[DONE]")
    except ApiError as error:
        yield frame(error.body())
    finally:
        if not stored:
            _stop(turns)


async def _merged(streams: Sequence[AsyncGenerator[dict[str, Any], None]]) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks of several streams as they come. Raises what one of them raises."""
    come: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()

    async def forward(stream: AsyncGenerator[dict[str, Any], None]) -> None:
        try:
            async for chunk in stream:
                come.put_nowait(chunk)
            come.put_nowait(None)
        except ApiError as error:
            come.put_nowait(error)

    tasks = [asyncio.create_task(forward(stream)) for stream in streams]
    try:
        ended = 0
        while ended < len(streams):
            item = await come.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                ended += 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stop(turns: Sequence[Turn]) -> None:
    for turn in turns:
        turn.stop()
