"""Any OpenAI-compatible server as an engine.

Where the server is vLLM and its model's tokenizer is at hand, token ids are sent and come back: typed markup stays
text, and counts are exact. Other servers are sent messages: what their template makes of typed markup is theirs, and
counts are estimates (`message_template`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp
import httpx2

from assistant.engines import model_folder, openai_server
from assistant.engines.errors import EngineError, check_prompt
from assistant.engines.message_template import MessageTemplate, piece_id
from assistant.engines.openai_server import CONNECT_SECONDS, Server
from assistant.engines.openai_stream import Chunk, completion
from assistant.engines.protocol import Delta, FinishReason, Template
from assistant.engines.reply_text import ReplyText
from assistant.engines.stops import StopBuffer
from assistant.sampling import Sampling
from assistant.settings import OpenAISettings
from guardrails.rendering import ChatTemplate, load_tokenizer

# How servers say why a reply ended. What is not here was no end that we asked for.
REASONS: dict[str, FinishReason] = {"stop": "stop", "eos": "stop", "end_turn": "stop", "length": "length"}
# The longest reply, by the name that all servers know but OpenAI's newer models.
LIMIT, NEWER_LIMIT = "max_tokens", "max_completion_tokens"
# Servers close connections that nobody uses, most after five seconds or more.
KEPT_SECONDS = 4.5
# The longest line of a stream is twice this.
LINE_BYTES = 1 << 20

Out = asyncio.Queue[Delta | EngineError]
# What new tokens or text of a chunk's choice add: ids, text, and why the reply ends here, if it does.
Reader = Callable[[dict[str, Any]], tuple[tuple[int, ...], str, FinishReason | None]]


class OpenAIEngine:
    """A model of a server. Asks the server what it has, on construction (blocking)."""

    name = "openai"

    def __init__(self, settings: OpenAISettings, *, model: str | None = None) -> None:
        """Find the server and its model; `model` may be left out where it has one alone.

        Raises:
            EngineError: no address, no answer, or no such model.
        """
        self.server: Server = openai_server.look(settings, model)
        self.model = self.server.model
        self.window = self.server.window
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._running: set[Out] = set()
        self._closed = False
        self._limit = LIMIT
        self._messages: MessageTemplate | None = None
        self.template: Template
        if self.server.tokenizer is not None:
            tokenizer: Any = load_tokenizer(self.server.tokenizer)
            template = ChatTemplate(tokenizer)
            self.template = template
            self._tokenizer = tokenizer.backend_tokenizer
            self._stop_ids = template.stop_ids | model_folder.end_ids(self.server.tokenizer)
        else:
            self.template = self._messages = MessageTemplate()

    @property
    def sends(self) -> str:
        """What it sends, for people."""
        if self._messages is None:
            return "token ids are sent"
        window = "" if self.server.window_known else f", its window taken to be {self.window}"
        return f"messages are sent, token counts are estimates{window}"

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """See `Engine.generate`. Each candidate is a request of its own: many servers know no `n`."""
        check_prompt(prompt_ids, self.window, closed=self._closed)
        out: Out = asyncio.Queue()
        self._running.add(out)
        tasks = [asyncio.create_task(self._feed(out, i, list(prompt_ids), sampling)) for i in range(n)]
        running = n
        try:
            while running:
                item = await out.get()
                if isinstance(item, EngineError):
                    raise item
                yield item
                running -= item.finish_reason is not None
        finally:
            self._running.discard(out)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """See `Engine.close`."""
        self._closed = True
        for out in self._running:
            out.put_nowait(EngineError("the engine was closed in mid-reply"))
        if self._session is not None:
            await self._session.close()

    async def _feed(self, out: Out, index: int, prompt: list[int], sampling: Sampling) -> None:
        """Put what comes of one candidate into `out`, its end or its failure last."""
        try:
            async with aclosing(self._candidate(index, prompt, sampling)) as deltas:
                async for delta in deltas:
                    out.put_nowait(delta)
        except EngineError as error:
            out.put_nowait(error)
        except Exception as error:  # a form of chunk that nobody thought of must not leave a reply waiting
            out.put_nowait(EngineError(f"the server's reply cannot be read: {type(error).__name__}: {error}"))

    async def _candidate(self, index: int, prompt: list[int], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        limit = min(sampling.max_tokens, self.window - len(prompt))
        path, body, read = self._request(index, prompt, sampling, limit)
        last: Delta | None = None
        async with aclosing(self._ask(path, body, limit)) as chunks:
            async for chunk in chunks:
                cached = ((chunk.get("usage") or {}).get("prompt_tokens_details") or {}).get("cached_tokens") or 0
                if last is not None:
                    # After the end there is only the usage.
                    last = Delta(index, last.token_ids, last.text, last.finish_reason, cached)
                elif chunk.get("choices"):
                    ids, text, reason = read(chunk["choices"][0])
                    if reason is not None:
                        last = Delta(index, ids, text, reason)
                        if chunk["choices"][0].get("finish_reason") is None:
                            break  # at a stop string, of which the server knows nothing
                    elif ids or text:
                        yield Delta(index, ids, text)
        if last is None:
            raise EngineError(f"the server at {self.server.base_url} broke off in mid-reply; what came is kept")
        yield last

    async def _ask(self, path: str, body: dict[str, Any], limit: int) -> AsyncGenerator[Chunk, None]:
        try:
            url = f"{self.server.base_url}{path}"
            asked = completion(self._connected(), url, {**body, self._limit: limit}, retries=self._settings.retries)
            async with aclosing(asked) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except EngineError as error:
            if self._limit == NEWER_LIMIT or NEWER_LIMIT not in str(error):
                raise
        self._limit = NEWER_LIMIT
        async with aclosing(self._ask(path, body, limit)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _connected(self) -> aiohttp.ClientSession:
        """The connections to the server, of the event loop that asks first.

        aiohttp's rather than httpx2's, which takes twice the time to read a reply.
        """
        if self._session is None:
            # The other library's certificates: so a server is trusted here that was when it was looked at. Reading
            # them takes a tenth of a second of the first reply, which a server without TLS is spared.
            trusted = httpx2.create_ssl_context() if self.server.base_url.startswith("https:") else True
            self._session = aiohttp.ClientSession(
                headers=openai_server.headers(self._settings),
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS, ssl=trusted),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self._settings.timeout
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
                read_bufsize=LINE_BYTES,
            )
        return self._session

    def _request(
        self, index: int, prompt: list[int], sampling: Sampling, limit: int
    ) -> tuple[str, dict[str, Any], Reader]:
        """Path and body of a candidate's request, and what reads the choices of its chunks."""
        body: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.seed is not None:
            body["seed"] = (sampling.seed + index) % 2**63
        if self._messages is None:
            body |= {
                "prompt": prompt,
                "return_token_ids": True,
                "stop_token_ids": sorted(self._stop_ids),
                "ignore_eos": True,
                # All of them, so that no default of the server's takes the place of one left out.
                "top_k": sampling.top_k,
                "min_p": 0,
                "repetition_penalty": sampling.repetition_penalty,
            }
            return "/completions", body, _token_reader(self._tokenizer, self._stop_ids, sampling.stop, limit)
        # Not of OpenAI's API: a server that does not know them says so, rather than that they are left out quietly.
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if sampling.repetition_penalty != 1:
            body["repetition_penalty"] = sampling.repetition_penalty
        messages = self._messages.messages(prompt)[:-1]
        body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        return "/chat/completions", body, _text_reader(sampling.stop)


def _token_reader(tokenizer: Any, stop_ids: frozenset[int], stop: tuple[str, ...], limit: int) -> Reader:
    reply = ReplyText(tokenizer, stop_ids, stop, limit)

    def read(choice: dict[str, Any]) -> tuple[tuple[int, ...], str, FinishReason | None]:
        ids = tuple(choice.get("token_ids") or ())
        if choice.get("text") and not ids:
            raise EngineError("the server sends no token ids: it needs vLLM 0.11 or newer")
        text, reason = reply.add(ids)
        return ids, text, reason or _reason(choice)

    return read


def _text_reader(stop: tuple[str, ...]) -> Reader:
    stops = StopBuffer(stop)

    def read(choice: dict[str, Any]) -> tuple[tuple[int, ...], str, FinishReason | None]:
        content = (choice.get("delta") or {}).get("content") or ""
        text = stops.push(content)
        reason = "stop" if stops.stopped else _reason(choice)
        if reason is not None:
            text += stops.flush()
        # A chunk is a token, as servers send them.
        return (piece_id(content.encode()),) if content else (), text, reason

    return read


def _reason(choice: dict[str, Any]) -> FinishReason | None:
    reason = choice.get("finish_reason")
    if reason is None:
        return None
    if reason not in REASONS:
        raise EngineError(f"the server ended the reply for a reason of its own: {reason}")
    return REASONS[reason]
