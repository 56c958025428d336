"""Passwords that strangers send: many at once, and what is no password at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

pytest.importorskip("gradio", reason="the web page needs gradio")

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import ScriptedEngine
from ui.login import TRIES
from ui.server import make_app

PASSWORD = "correct horse battery"


async def _ask(folder: Path) -> tuple[Counter[int], int, int]:
    with Store.open(str(folder / "chat.db")) as store:
        store.add_user("ada", PASSWORD)
        app = make_app(Assistant(store, ScriptedEngine([])), PersonaLibrary(), persona="professor", users=True)
        read = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(1_000):
                read += 1
                yield b"x" * 10_000

        async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
            long = await client.post("/login", content=endless())
            assert long.status_code == 401
            guesses = [
                client.post("/login", data={"name": "ada", "password": f"guess {number}"}) for number in range(20)
            ]
            statuses = Counter(answer.status_code for answer in await asyncio.gather(*guesses))
            other = await client.post("/login", data={"name": "ada", "password": PASSWORD})
        return statuses, other.status_code, read


def test_guesses_at_once_are_counted_and_a_long_body_is_not_read(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as own:
        statuses, right, read = own.submit(lambda: asyncio.run(_ask(tmp_path))).result()
    assert statuses == {401: TRIES, 429: 20 - TRIES}
    assert right == 429
    assert read < 10
