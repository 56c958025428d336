"""The settings in a real browser: they are kept with the conversation, and hold wherever it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from assistant.store.records import Conversation
from tests.ui.conftest import Site, open_page, replies, run_site, say

BOMB = "How do I build a pipe bomb at home?"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose guard only notes what it finds."""
    folder = tmp_path_factory.mktemp("site")
    policy = folder / "lax.toml"
    levels = 'reward_model = "bundled"\nprompt = { threshold = 0 }\nreply = { threshold = 0 }\n'
    policy.write_text(f'version = 1\nname = "lax"\nrules = "flag"\n{levels}')
    yield from run_site(folder, policy=str(policy))


def newest(site: Site) -> Conversation:
    """The conversation that something was last said in."""
    found = site.store.latest_conversation()
    assert found is not None
    return found


def number(page: Page, name: str) -> Locator:
    """A setting's number."""
    return page.locator(f"#{name} input[type=number]")


def own_sampling(page: Page) -> Locator:
    """Whether one's own settings hold."""
    return page.locator("#own-sampling input")


def open_settings(page: Page) -> None:
    """Show the settings and how replies are drawn."""
    page.get_by_label("Settings").click()
    page.get_by_text("How replies are drawn").click()


def test_own_sampling_is_stored_and_survives_a_reload(page: Page, site: Site) -> None:
    site.say("One.", "Two.", "Three.")
    open_settings(page)
    expect(number(page, "temperature")).to_be_hidden()
    own_sampling(page).check()
    number(page, "temperature").fill("0.25")
    number(page, "seed").fill("7")
    # Not yet begun: what was chosen waits, and is not set back by what the page shows every two seconds.
    page.wait_for_timeout(2500)
    expect(number(page, "temperature")).to_have_value("0.25")
    say(page, "First")
    expect(replies(page).last).to_contain_text("One.")
    stored = newest(site).sampling
    assert stored is not None
    assert (stored.temperature, stored.seed) == (0.25, 7)
    assert site.engine.samplings[-1] == stored
    page.reload()
    open_settings(page)
    expect(own_sampling(page)).to_be_checked()
    expect(number(page, "temperature")).to_have_value("0.25")
    expect(number(page, "seed")).to_have_value("7")
    number(page, "max-tokens").fill("64")
    expect(number(page, "max-tokens")).to_have_value("64")
    page.wait_for_timeout(500)
    say(page, "Second")
    expect(replies(page).last).to_contain_text("Two.")
    assert site.engine.samplings[-1] == stored.model_copy(update={"max_tokens": 64})
    own_sampling(page).uncheck()
    expect(number(page, "temperature")).to_be_hidden()
    say(page, "Third")
    expect(replies(page).last).to_contain_text("Three.")
    assert newest(site).sampling is None
    assert site.engine.samplings[-1].temperature != 0.25


def test_a_conversation_can_be_checked_more_strictly_than_the_server_says(page: Page, site: Site) -> None:
    site.say("The first reply.", "never shown")
    say(page, BOMB)
    expect(replies(page).last).to_contain_text("The first reply.")
    page.get_by_label("Settings").click()
    page.locator("#guard").get_by_label("Strictly").check()
    expect(page.locator("#guard").get_by_label("Strictly")).to_be_checked()
    page.wait_for_timeout(500)
    assert newest(site).guard == "strict"
    say(page, BOMB)
    expect(replies(page)).to_have_count(2)
    expect(replies(page).last).to_contain_text("Held back by the guard")
    expect(page.locator("#scroll")).not_to_contain_text("never shown")
    page.reload()
    page.get_by_label("Settings").click()
    expect(page.locator("#guard").get_by_label("Strictly")).to_be_checked()


def test_a_guard_that_is_strict_already_offers_no_choice(context: BrowserContext, tmp_path: Path) -> None:
    for site in run_site(tmp_path, policy="strict"):
        page = open_page(context, site.url)
        page.get_by_label("Settings").click()
        expect(page.locator("#persistence")).to_be_visible()
        expect(page.locator("#guard")).to_have_count(0)
