"""A real browser on a real server with a real database. Only the engine says what it is told to."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
pytest.importorskip("gradio", reason="the web page needs gradio")

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright  # noqa: E402

from assistant.personas.library import PersonaLibrary  # noqa: E402
from assistant.service import Assistant  # noqa: E402
from assistant.store.store import Store  # noqa: E402
from guardrails.guard import build  # noqa: E402
from guardrails.policy import load  # noqa: E402
from tests.scripted_engine import Reply, ScriptedEngine  # noqa: E402
from ui.server import make_app, make_server, serve  # noqa: E402

# A loaded machine is slow, not broken.
PATIENCE_MS = 30_000
# Chromium looks for its maker's hosts unless it is told not to.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class Site:
    """A running web chat and what stands behind it."""

    url: str
    engine: ScriptedEngine
    store: Store
    assistant: Assistant

    def say(self, *replies: str | Reply) -> None:
        """What the engine says next."""
        self.engine.replies.clear()
        self.engine.queue(*replies)


def run_site(folder: Path, *, users: bool = False, policy: str = "balanced") -> Iterator[Site]:
    """Serve the web chat in a thread of its own."""
    store, engine = Store.open(str(folder / "chat.db")), ScriptedEngine(window=2048)
    assistant = Assistant(store, engine, build(load(policy)))
    library = PersonaLibrary(folder / "personas")
    app = make_app(assistant, library, persona="professor", users=users)
    server, listener, ready = make_server(app), socket.create_server(("127.0.0.1", 0)), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(server, listener, ready.set)), daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", engine, store, assistant)
    server.should_exit = True
    thread.join(30)
    listener.close()
    store.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs them all: the others would each start a browser and their own servers."""
    for item in items:
        if "tests/ui/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for the tests of a file."""
    yield from run_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with nothing remembered, at a desk."""
    expect.set_options(timeout=PATIENCE_MS)
    made = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Page:
    """A page that has just been opened."""
    return open_page(context, site.url)


def open_page(context: BrowserContext, url: str) -> Page:
    """Open the chat and wait until one can type."""
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#header .who")).to_be_visible()
    expect(composer(page)).to_be_editable()
    return page


def composer(page: Page) -> Locator:
    """Where one types."""
    return page.locator("#composer textarea")


def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    composer(page).fill(text)
    composer(page).press("Enter")


def replies(page: Page) -> Locator:
    """The replies that are finished, without the greeting."""
    return page.locator("#messages .reply:not(.greeting, .streaming)")
