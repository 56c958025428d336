"""The server as a process: the bundled model's first reply, and a server that goes down in mid-reply and comes back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from assistant.store.store import Store
from tests.ui.conftest import open_page, replies, say

UNFINISHED = "one two three four five six seven eight nine ten " * 3 + "..."
ROOT = Path(__file__).parents[2]


@contextmanager
def process(*command: str, errors: int = subprocess.DEVNULL) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and the page's address."""
    started = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    assert started.stdout is not None
    try:
        found = re.match(r"Chat at (http://127\.0\.0\.1:\d+)", started.stdout.readline())
        assert found
        yield started, found[1]
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def test_first_visit_to_first_reply_with_the_bundled_model(context: BrowserContext, tmp_path: Path) -> None:
    web = "from assistant.cli.app import main; main()"
    options = ["--port", "0", "--guard", "balanced", "--db", str(tmp_path / "chat.db")]
    with process("-c", web, "web", *options) as (_, url):
        page = open_page(context, url)
        expect(page.locator("#conversations")).to_contain_text("No conversations yet")
        page.get_by_role("radio", name="Captain Redbeard").click()
        say(page, "Hello, who are you?")
        reply = replies(page).last
        expect(reply.locator(".text")).to_have_text(re.compile(r"\w+"), timeout=120_000)
        expect(reply.locator(".safety summary")).to_have_text("Checked")
        expect(page.locator("#status")).to_contain_text(re.compile(r"turn 1\s+\d+ of [\d,]+ tokens"))


def test_the_end_with_an_open_page_is_quiet(context: BrowserContext, tmp_path: Path) -> None:
    site = ["-m", "tests.ui.scripted_site", str(tmp_path / "chat.db"), "0"]
    with process(*site, errors=subprocess.PIPE) as (server, url):
        open_page(context, url)
        server.send_signal(signal.SIGTERM)
        _, told = server.communicate(timeout=30)
    assert told == ""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_goes_down_in_mid_reply_comes_back_with_what_there_was(
    context: BrowserContext, tmp_path: Path, ending: signal.Signals
) -> None:
    database = str(tmp_path / "chat.db")
    site = ["-m", "tests.ui.scripted_site", database]
    with process(*site, "0", UNFINISHED) as (server, url):
        page = open_page(context, url)
        say(page, "Count")
        # So much is stored by now, too: that happens twice a second.
        expect(page.locator("#live .text")).to_contain_text("ten one two three four five six seven eight nine ten one")
        server.send_signal(ending)
        server.wait(30)
    with process(*site, url.rpartition(":")[2], "Back again.") as (_, url):
        # Nobody reloads the page.
        expect(replies(page).last).to_contain_text("Interrupted: the program ended while this was written.")
        expect(replies(page).last).to_contain_text("one two three")
        expect(page.locator("#messages .user .bubble")).to_have_text("Count")
        expect(page.locator("#live .message")).to_have_count(0)
        say(page, "And now?")
        expect(replies(page).last).to_contain_text("Back again.")
        with Store.open(database) as store:
            conversation = store.latest_conversation()
            assert conversation is not None
            assert conversation.active_leaf_id is not None
            statuses = [message.status for message in store.branch(conversation.active_leaf_id)]
        assert statuses == ["complete", "interrupted", "complete", "complete"]
