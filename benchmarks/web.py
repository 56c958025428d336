"""The web page in a real browser: how soon it is there, how soon a reply shows, and many people at once.

Run `python -m benchmarks.web`, or with `--quick` for a third of the runs. It needs the extras `ui` and `dev`, and
Chromium. Server and browser share the machine; of many people at once the browsers are left out. The engine says words
at a given pace, so what is measured is the page; with `--bundled` it is the bundled model, with and without its guard.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from assistant.engines.catalog import BUNDLED, open_engine
from assistant.engines.protocol import Delta, Engine
from assistant.personas.library import PersonaLibrary
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.settings import load_settings
from assistant.store.records import NewMessage
from assistant.store.store import Store
from benchmarks.serve.paced import Pace, PacedEngine
from guardrails.guard import build
from guardrails.policy import load
from ui.server import make_app, make_server, serve

PEOPLE = 20
PACE = Pace(first=0.05, pause=0.05, tokens=60)
MESSAGES = 500
# Seconds to the first text and to the end.
Waits = tuple[float, float]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


class Noted:
    """An engine as it is, with the moments of its first texts noted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.model, self.window = engine.name, engine.model, engine.window
        self.template = engine.template
        self.first: list[float] = []

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
    ) -> AsyncGenerator[Delta, None]:
        """What the engine says."""
        waiting = True
        async for delta in self._engine.generate(prompt_ids, sampling, n=n, session=session):
            if waiting and delta.text:
                self.first.append(time.monotonic())
                waiting = False
            yield delta

    async def close(self) -> None:
        """Free the engine."""
        await self._engine.close()


@contextmanager
def site(folder: Path, engine: Engine, guard: str) -> Iterator[tuple[str, Store]]:
    """A running web chat, its address and its store."""
    with Store.open(str(folder / "chat.db")) as store:
        app = make_app(
            Assistant(store, engine, build(load(guard))), PersonaLibrary(folder / "personas"), persona="professor"
        )
        server, listener, ready = make_server(app), socket.create_server(("127.0.0.1", 0)), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(serve(server, listener, ready.set)))
        thread.start()
        ready.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", store
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def fill(store: Store) -> int:
    """A conversation of 500 messages; its number."""
    persona = store.save_persona(PersonaLibrary().get("professor"))
    id = store.create_conversation(persona.id, title="A long one").id
    text = "A paragraph of some length, with **bold** words and `code` in it, as replies are. " * 4
    rows = [
        NewMessage("assistant" if place % 2 else "user", f"Message {place}: {text}", after=place - 1 if place else None)
        for place in range(MESSAGES)
    ]
    store.add_messages(id, rows)
    return id


def opened(browser: Browser, url: str, shows: str) -> tuple[Page, float]:
    """A page in a browser that has seen none, and the seconds until it `shows` something and one can type."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    started = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(shows)
    page.wait_for_selector("#composer textarea:not([disabled])")
    return page, time.monotonic() - started


# Told by the document itself: looking at every frame would keep the processor busy that is measured.
SHOWN = """turn => new Promise(resolve => {
    const watching = new MutationObserver(() => {
        if (document.querySelector('#live .text')?.textContent.trim()
            || document.querySelectorAll('#messages .reply:not(.greeting)').length > turn) {
            watching.disconnect()
            resolve()
        }
    })
    watching.observe(document.body, {subtree: true, childList: true, characterData: true})
})"""


def first_text(page: Page, first: list[float], turn: int) -> float:
    """Seconds from the engine's first text to the first one on the page."""
    told = len(first)
    page.fill("#composer textarea", f"Tell me a story, number {turn}.")
    page.press("#composer textarea", "Enter")
    page.evaluate(SHOWN, turn)
    shown = time.monotonic()
    page.wait_for_function(
        "turn => document.querySelectorAll('#messages .reply:not(.greeting, .streaming)').length > turn", arg=turn
    )
    return shown - first[told]


async def converse(client: httpx.AsyncClient, config: dict[str, Any], name: str, start: asyncio.Event) -> Waits:
    """What a page does for one person, without a browser: it opens, sends, and follows the reply to its end.

    Returns the seconds from sending to the first text and to the end of the reply.
    """

    async def call(event: str, data: list[Any]) -> str:
        # The chat's own handlers change most of the page.
        asked = [one for one in config["dependencies"] if any(target[1] == event for target in one["targets"])]
        function = max(asked, key=lambda one: len(one["outputs"]))
        sent = {"fn_index": function["id"], "data": data, "session_hash": name, "trigger_id": None, "event_data": None}
        (await client.post("/gradio_api/queue/join", json=sent)).raise_for_status()
        async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": name}) as stream:
            async for line in stream.aiter_lines():
                if '"process_completed"' in line:
                    return line
        raise RuntimeError("the server ended the stream")

    await call("load", [])
    await start.wait()
    sent, first = time.monotonic(), None
    shown = await call("submit", ["Hello", ""])
    reply = re.search(r"data-live=\W+(\d+)", shown)
    assert reply
    async with client.stream("GET", f"/live/{reply[1]}") as stream:
        async for line in stream.aiter_lines():
            if first is None and "word" in line:
                first = time.monotonic()
    assert first
    return first - sent, time.monotonic() - sent


async def together(url: str, people: int) -> list[Waits]:
    """So many people send at the same moment."""
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None)) as client:
        config, start = (await client.get("/config")).json(), asyncio.Event()
        conversing = [asyncio.create_task(converse(client, config, f"p{n}of{people}", start)) for n in range(people)]
        await asyncio.sleep(1 + people / 4)  # until all pages are open
        start.set()
        return await asyncio.gather(*conversing)


def measure(browser: Browser, runs: int, row: Callable[[str, Sequence[float], str], None]) -> None:
    """The page itself, with an engine that says what it is told to."""
    engine = Noted(PacedEngine(PACE))
    with tempfile.TemporaryDirectory() as folder, site(Path(folder), engine, "off") as (url, store):
        opened(browser, url, "#header .who")[0].context.close()
        ready = []
        for _ in range(runs):
            page, seconds = opened(browser, url, "#header .who")
            ready.append(seconds)
            page.context.close()
        row("page ready, s", ready, "at most 2")
        page, _ = opened(browser, url, "#header .who")
        row("first text after the engine's, s", [first_text(page, engine.first, turn) for turn in range(runs)], "0.3")
        page.context.close()
        id, long = fill(store), []
        last = f"#messages .message:has-text('Message {MESSAGES - 1}:')"
        for _ in range(runs):
            page, _ = opened(browser, url, "#header .who")
            started = time.monotonic()
            page.click(f"#conversations [data-act=open][data-id='{id}']")
            page.wait_for_selector(last)
            long.append(time.monotonic() - started)
            page.context.close()
        row(f"open {MESSAGES} messages, s", long, "at most 1")
        for people in (1, PEOPLE):
            # In a thread of its own: Playwright has an event loop in this one.
            with ThreadPoolExecutor(1) as own:
                waits = own.submit(asyncio.run, together(url, people)).result()
            firsts, lasts = zip(*waits, strict=True)
            row(f"first text where {people} send at once, s", firsts, "none waits")
            row(f"end of {PACE.tokens * PACE.pause:.0f} s of reply where {people} send at once, s", lasts, "none waits")


def measure_bundled(browser: Browser, runs: int, row: Callable[[str, Sequence[float], str], None]) -> None:
    """The first text with the model and the guard that come with the program."""
    for guard in ("off", "balanced"):
        engine = Noted(open_engine(load_settings(), BUNDLED).engine)
        with tempfile.TemporaryDirectory() as folder, site(Path(folder), engine, guard) as (url, _):
            page, _ = opened(browser, url, "#header .who")
            first_text(page, engine.first, 0)  # loads the safety model
            seconds = [first_text(page, engine.first, turn) for turn in range(1, 1 + runs)]
            page.context.close()
        row(f"first text after the bundled model's, guard {guard}, s", seconds, "at most 0.3")


def main() -> None:
    """Print the table."""
    table = Table("what", "median", "least", "most", "n", "bar")

    def row(what: str, values: Sequence[float], bar: str) -> None:
        table.add_row(
            what, *(f"{v:.2f}" for v in (statistics.median(values), min(values), max(values))), str(len(values)), bar
        )

    runs = 5 if "--quick" in sys.argv else 15
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        (measure_bundled if "--bundled" in sys.argv else measure)(browser, runs, row)
        browser.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
