"""The reply that is being written, as a page gets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine
from ui.live import live
from ui.server import make_app


@pytest.fixture
async def assistant(tmp_path: Path) -> AsyncIterator[Assistant]:
    with Store.open(str(tmp_path / "chat.db")) as store:
        store.add_user("ada", "correct horse battery")
        store.add_user("bob", "correct horse battery")
        made = Assistant(store, ScriptedEngine([Reply("<b>One</b> **two** three.", delay=0.02)]))
        yield made
        await made.close()


async def begin(assistant: Assistant, user: str | None) -> int:
    """A reply that has begun; its number."""
    store = assistant.store
    persona = store.save_persona(PersonaLibrary().get("professor"))
    owner = None if user is None else store.user(user).id
    return (await assistant.send(store.create_conversation(persona.id, user_id=owner).id, "Count")).reply_id


async def get(assistant: Assistant, reply: int) -> list[tuple[str, str]]:
    """The events of a reply, each as its kind and data."""
    app = make_app(assistant, PersonaLibrary(), persona="professor")
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get(f"/live/{reply}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    frames = [dict(line.split(": ", 1) for line in one.splitlines()) for one in answer.text.split("\n\n") if one]
    return [(one.get("event", "message"), one["data"]) for one in frames]


async def test_a_reply_grows_and_ends(assistant: Assistant) -> None:
    *grown, end = await get(assistant, await begin(assistant, None))
    texts = [json.loads(data) for kind, data in grown if kind == "message"]
    assert len(texts) == len(grown) > 1
    assert "three" not in texts[0]
    # What was generated is no markup of the page, growing or not.
    assert "&lt;b&gt;One&lt;/b&gt; <strong>two</strong> three." in texts[-1]
    assert all("<b>" not in text for text in texts)
    assert end == ("end", "")


async def test_one_that_ended_has_its_end_at_once(assistant: Assistant) -> None:
    reply = await begin(assistant, None)
    running = assistant.running(reply)
    assert running is not None
    await running.wait()
    await asyncio.sleep(0)
    assert await get(assistant, reply) == [("end", "")]


async def test_nobody_gets_what_is_written_for_another(assistant: Assistant) -> None:
    reply = await begin(assistant, "ada")
    assert (await live(assistant, reply, "ada")).status_code == 200
    for user, number in (("bob", reply), ("ada", reply + 100), ("ada", 2**70)):
        assert (await live(assistant, number, user)).status_code == 404
