"""A streamed completion of an OpenAI-compatible server, and everything that can go wrong with one."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

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
FIELD = re.compile("(event|data)(?:: ?(.*))?", re.DOTALL)

Chunk = dict[str, Any]


async def completion(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], *, retries: int
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
            async with session.post(url, json=body, allow_redirects=False) as response:
                if response.status == 200:
                    async with aclosing(_chunks(response)) as chunks:
                        async for chunk in chunks:
                            begun = begun or _has_output(chunk)
                            yield chunk
                    if begun:
                        return
                    problem = EngineError(f"the server at {url} ended the reply before its first word")
                else:
                    problem = await _refusal(response)
                    pause = _asked_pause(response)
                    if response.status not in AGAIN or (pause or 0) > LONGEST_WAIT:
                        raise problem
        except aiohttp.ClientError as error:
            problem = EngineError(_unreachable(url, error, begun))
            # A server that takes too long is not helped by being asked twice.
            if begun or isinstance(error, aiohttp.SocketTimeoutError):
                raise problem from error
        if attempt < retries:
            await asyncio.sleep(pause if pause is not None else _backoff(attempt))
    tries = "" if retries == 0 else f" (asked {retries + 1} times)"
    raise EngineError(f"{problem}{tries}")


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[Chunk, None]:
    kind = response.content_type
    if kind != "text/event-stream":
        said = _message(await _beginning(response)) or "nothing"
        raise EngineError(f"the server answers with {kind} instead of a stream: {said}")
    async for event, data in _events(response.content):
        if data.strip() == "[DONE]":
            # A connection whose answer was not read to its end serves no other request, and making one takes time.
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await response.content.read()
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            raise EngineError(f"the server sent what is no JSON: {data[:SHOWN]!r}") from None
        if not isinstance(chunk, dict):
            raise EngineError(f"the server sent what is no chunk of a completion: {data[:SHOWN]!r}")
        if chunk.get("error") or event == "error":
            raise EngineError(f"the server failed in mid-reply: {_message(data.encode())}")
        yield chunk


async def _events(lines: AsyncIterable[bytes]) -> AsyncGenerator[tuple[str, str], None]:
    """Kind and data of server-sent events, after the HTML standard; one that no empty line ends is none."""
    kind, data = "message", list[str]()
    async for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text and data:
            yield kind, "\n".join(data)
        if not text:
            kind, data = "message", []
        elif found := FIELD.fullmatch(text):
            name, value = found.groups()
            if name == "data":
                data.append(value or "")
            else:
                kind = value or "message"


def _has_output(chunk: Chunk) -> bool:
    choices = chunk.get("choices") or [{}]
    first = choices[0] if isinstance(choices, list) and isinstance(choices[0], dict) else {}
    delta = first.get("delta") or {}
    return bool(first.get("text") or first.get("token_ids") or first.get("finish_reason") or delta.get("content"))


async def _refusal(response: aiohttp.ClientResponse) -> EngineError:
    status = response.status
    said = _message(await _beginning(response)) or response.reason
    if status in (401, 403):
        return EngineError(
            f"the server refuses the key ({status}: {said}): set ASSISTANT_OPENAI_API_KEY, "
            "or api_key under [openai] in config.toml"
        )
    if status == 429:
        return EngineError(f"the server has too many requests (429: {said}): try later, or with fewer at once")
    return EngineError(f"the server refuses the request ({status}: {said})")


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    data = b""
    async for piece in response.content.iter_any():
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


def _asked_pause(response: aiohttp.ClientResponse) -> float | None:
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


def _unreachable(url: str, error: Exception, begun: bool) -> str:
    if begun:
        return f"the connection to {url} was lost in mid-reply ({_name(error)}); what came is kept"
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return f"no server answers at {url} ({_name(error)}): is it running?"
    if isinstance(error, aiohttp.SocketTimeoutError):
        return f"the server at {url} takes too long: a larger `timeout` in [openai] waits longer"
    return f"the server at {url} does not answer ({_name(error)})"


def _name(error: Exception) -> str:
    text = first_line(error)
    return type(error).__name__ if text == type(error).__name__ else f"{type(error).__name__}: {text}"
