"""A streamed completion of an OpenAI-compatible server, and everything that can go wrong with one."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from assistant.engines.errors import EngineError
from guardrails.errors import first_line

# Answers after which asking again may help: the server is busy, starting, or behind a proxy that is.
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FIRST_WAIT = 0.5
# The longest pause that is waited for, also where the server asks for more.
LONGEST_WAIT = 60.0
# Of an answer that is an error, this much is read.
ERROR_BYTES = 1 << 16
SHOWN = 200
# How long the body's end may come after the stream's own.
ENDING_SECONDS = 0.2

Chunk = dict[str, Any]


async def completion(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any], *, retries: int
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a streamed completion, until the server ends it.

    As long as no output has come, a busy or failing server is asked again, after a growing pause or the one
    it asks for.

    Raises:
        EngineError: it refuses, cannot be reached, or what it sends breaks off or is no completion.
    """
    for attempt in range(retries + 1):
        begun = False
        pause: float | None = None
        try:
            async with client.stream("POST", path, json=body) as response:
                if response.status_code == 200:
                    async with aclosing(_chunks(response)) as chunks:
                        async for chunk in chunks:
                            begun = begun or _has_output(chunk)
                            yield chunk
                    if begun:
                        return
                    problem = EngineError(f"the server at {client.base_url} ended the reply before its first word")
                else:
                    problem = await _refusal(response)
                    pause = _asked_pause(response)
                    if response.status_code not in AGAIN or (pause or 0) > LONGEST_WAIT:
                        raise problem
        except httpx2.HTTPError as error:
            problem = EngineError(_unreachable(client, error, begun))
            # A server that takes too long is not helped by being asked twice.
            if begun or isinstance(error, httpx2.ReadTimeout):
                raise problem from error
        if attempt < retries:
            await asyncio.sleep(pause if pause is not None else _backoff(attempt))
    tries = "" if retries == 0 else f" (asked {retries + 1} times)"
    raise EngineError(f"{problem}{tries}")


async def _chunks(response: httpx2.Response) -> AsyncGenerator[Chunk, None]:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        said = _message(await _beginning(response)) or "nothing"
        raise EngineError(f"the server answers with {kind or 'no content type'} instead of a stream: {said}")
    events = aiter(httpx2.EventSource(response))
    async for event in events:
        if event.data.strip() == "[DONE]":
            # A connection whose answer was not read to its end serves no other request, and making one takes time.
            with suppress(TimeoutError, httpx2.HTTPError):
                async with asyncio.timeout(ENDING_SECONDS):
                    async for _ in events:
                        pass
            return
        try:
            chunk = json.loads(event.data)
        except ValueError:
            raise EngineError(f"the server sent what is no JSON: {event.data[:SHOWN]!r}") from None
        if not isinstance(chunk, dict):
            raise EngineError(f"the server sent what is no chunk of a completion: {event.data[:SHOWN]!r}")
        if chunk.get("error") or event.event == "error":
            raise EngineError(f"the server failed in mid-reply: {_message(event.data.encode())}")
        yield chunk


def _has_output(chunk: Chunk) -> bool:
    choices = chunk.get("choices") or [{}]
    first = choices[0] if isinstance(choices, list) and isinstance(choices[0], dict) else {}
    delta = first.get("delta") or {}
    return bool(first.get("text") or first.get("token_ids") or first.get("finish_reason") or delta.get("content"))


async def _refusal(response: httpx2.Response) -> EngineError:
    status = response.status_code
    said = _message(await _beginning(response)) or response.reason_phrase
    if status in (401, 403):
        return EngineError(
            f"the server refuses the key ({status}: {said}): set ASSISTANT_OPENAI_API_KEY, "
            "or api_key under [openai] in config.toml"
        )
    if status == 429:
        return EngineError(f"the server has too many requests (429: {said}): try later, or with fewer at once")
    return EngineError(f"the server refuses the request ({status}: {said})")


async def _beginning(response: httpx2.Response) -> bytes:
    data = b""
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) >= ERROR_BYTES:
            break
    return data


def _message(data: bytes) -> str:
    """What an error's body says, in one line, whatever its form."""
    text = data.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:SHOWN]
    while isinstance(value, dict):
        value = next((value[key] for key in ("error", "message", "detail") if value.get(key)), json.dumps(value))
    return " ".join(str(value).split())[:SHOWN]


def _asked_pause(response: httpx2.Response) -> float | None:
    """The seconds of a Retry-After header, a number or a date."""
    value = response.headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    from datetime import UTC, datetime

    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _backoff(attempt: int) -> float:
    """Doubling from half a second, by chance up to a half more, so that many clients do not come back at once."""
    return float(min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(1, 1.5))


def _unreachable(client: httpx2.AsyncClient, error: Exception, begun: bool) -> str:
    if begun:
        return f"the connection to {client.base_url} was lost in mid-reply ({_name(error)}); what came is kept"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return f"no server answers at {client.base_url} ({_name(error)}): is it running?"
    if isinstance(error, httpx2.ReadTimeout):
        return f"the server at {client.base_url} takes too long: a larger `timeout` in [openai] waits longer"
    return f"the server at {client.base_url} does not answer ({_name(error)})"


def _name(error: Exception) -> str:
    text = first_line(error)
    return type(error).__name__ if text == type(error).__name__ else f"{type(error).__name__}: {text}"
