"""The reply that is being written, as a page gets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

pytest.importorskip("gradio", reason="the web page needs gradio")

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine
from ui.live import live
from ui.server import make_app


@asynccontextmanager
async def assistant(folder: Path) -> AsyncIterator[Assistant]:
    with Store.open(str(folder / "chat.db")) as store:
        store.add_user("ada", "correct horse battery")
        store.add_user("bob", "correct horse battery")
        made = Assistant(store, ScriptedEngine([Reply("<b>One</b> **two** three.", delay=0.02)]))
        yield made
        await made.close()


def run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a thread of its own: in this one, the browser's driver may have an event loop."""
    with ThreadPoolExecutor(1) as own:
        own.submit(lambda: asyncio.run(work())).result()


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


def test_a_reply_grows_and_ends(tmp_path: Path) -> None:
    async def work() -> None:
        async with assistant(tmp_path) as made:
            events.extend(await get(made, await begin(made, None)))

    events: list[tuple[str, str]] = []
    run(work)
    *grown, end = events
    texts = [json.loads(data) for kind, data in grown if kind == "message"]
    assert len(texts) == len(grown) > 1
    assert "three" not in texts[0]
    # What was generated is no markup of the page, growing or not.
    assert "&lt;b&gt;One&lt;/b&gt; <strong>two</strong> three." in texts[-1]
    assert all("<b>" not in text for text in texts)
    assert end == ("end", "")


def test_one_that_ended_has_its_end_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with assistant(tmp_path) as made:
            reply = await begin(made, None)
            running = made.running(reply)
            assert running is not None
            await running.wait()
            await asyncio.sleep(0)
            assert await get(made, reply) == [("end", "")]

    run(work)


def test_nobody_gets_what_is_written_for_another(tmp_path: Path) -> None:
    async def work() -> None:
        async with assistant(tmp_path) as made:
            reply = await begin(made, "ada")
            ada, bob = (made.store.user(name).id for name in ("ada", "bob"))
            assert (await live(made, reply, ada)).status_code == 200
            for user, number in ((bob, reply), (ada, reply + 100), (ada, 2**70)):
                assert (await live(made, number, user)).status_code == 404

    run(work)
