from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from assistant.http import server_sent
from assistant.http.server_sent import EventStream


class Client:
    """What a server gives to an application: bodies are kept, and the client leaves when it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ended = False
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.bodies.append(message["body"])
            self.ended = not message["more_body"]
            self.came.set()


async def read(stream: EventStream, client: Client) -> None:
    await asyncio.wait_for(stream({"type": "http"}, client.receive, client.send), 10)


async def test_frames_are_sent_in_order_and_the_stream_ends() -> None:
    async def frames() -> AsyncGenerator[bytes, None]:
        for number in range(100):
            yield b"%d" % number
            await asyncio.sleep(0)

    client = Client()
    await read(EventStream(frames()), client)
    assert client.bodies == [b"%d" % number for number in range(100)] + [b""]
    assert client.ended


async def test_a_silence_is_broken_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent, "SILENCE_SECONDS", 0.05)

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"first"
        await asyncio.sleep(0.4)
        yield b"last"

    client = Client()
    await read(EventStream(frames()), client)
    first, *comments, last, end = client.bodies
    assert (first, last, end) == (b"first", b"last", b"")
    assert 2 <= len(comments) <= 8
    assert all(comment.startswith(b":") for comment in comments)


async def test_frames_that_never_stop_leave_no_room_for_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent, "SILENCE_SECONDS", 0.5)

    async def frames() -> AsyncGenerator[bytes, None]:
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield b"word"

    client = Client()
    await read(EventStream(frames()), client)
    assert client.bodies == [b"word"] * 100 + [b""]


async def test_the_frames_are_closed_when_the_client_leaves() -> None:
    closed = asyncio.Event()

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.sleep(60)
        finally:
            closed.set()

    client = Client()
    reading = asyncio.create_task(read(EventStream(frames()), client))
    await client.came.wait()
    client.gone.set()
    await reading
    assert closed.is_set()
    assert not client.ended


async def test_what_the_frames_raise_comes_out() -> None:
    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise OSError("no more")

    client = Client()
    with pytest.raises(OSError, match="no more"):
        await read(EventStream(frames()), client)
    assert not client.ended
