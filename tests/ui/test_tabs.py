"""Several tabs of one browser, and what a page does when it is left, reloaded or clicked twice."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from tests.scripted_engine import Reply
from tests.ui.conftest import Site, composer, open_page, replies, say

GROWING = Reply("one two three four five six seven eight nine ten " * 20, delay=0.2, endless=True)
# Longer than a page waits between two questions for news, shorter than it waits for an answer.
SETTLED_MS = 3_500
SOON_MS = 5_000


def test_many_tabs_leave_each_other_their_connections(context: BrowserContext, site: Site) -> None:
    # A browser opens six connections to a server, for all its tabs.
    site.say(GROWING)
    first = open_page(context, site.url)
    say(first, "Count")
    expect(first.locator("#live .text")).to_contain_text("three")
    second = open_page(context, first.url)
    expect(second.locator("#live .text")).to_contain_text("three")
    idle = [open_page(context, site.url) for _ in range(2)]
    idle[-1].wait_for_timeout(SETTLED_MS)
    second.locator("#stop").click(timeout=SOON_MS)
    for page in (second, first):
        expect(replies(page).last).to_contain_text("Stopped here.", timeout=SOON_MS)


def test_another_conversation_s_reply_never_stands_in_the_open_one(page: Page, site: Site) -> None:
    site.say(*(Reply(f"{word} " * 50, delay=0.05, endless=True) for word in ("alpha", "beta")))
    say(page, "The first")
    expect(page.locator("#live .text")).to_contain_text("alpha")
    page.locator("#new-chat").click()
    expect(page.locator(".greeting")).to_be_visible()
    say(page, "The second")
    expect(page.locator("#live .text")).to_contain_text("beta")
    page.locator("#conversations [data-act=open]").filter(has_text="The first").click()
    expect(page.locator("#live .text")).to_contain_text("alpha")
    expect(page.locator("#live .text")).not_to_contain_text("beta")
    page.wait_for_timeout(500)
    expect(page.locator("#live .text")).not_to_contain_text("beta")
    page.locator("#stop").click()
    expect(replies(page).last).to_contain_text("alpha")


def test_two_clicks_at_once_say_it_once(page: Page, site: Site) -> None:
    site.say(GROWING, GROWING)
    before = len(site.store.list_conversations())
    composer(page).fill("Only once")
    page.evaluate("() => { const send = document.querySelector('#send'); send.click(); send.click(); }")
    expect(page.locator("#live .text")).to_contain_text("three")
    page.wait_for_timeout(500)
    page.locator("#stop").click()
    expect(replies(page)).to_have_count(1)
    expect(page.locator("#messages .user .bubble")).to_have_text(["Only once"])
    assert len(site.store.list_conversations()) == before + 1


def test_what_is_being_typed_outlives_a_reload(page: Page, site: Site) -> None:
    composer(page).fill("Half a thou")
    page.reload()
    expect(composer(page)).to_have_value("Half a thou")
    site.say("Whole.")
    composer(page).press_sequentially("ght")
    composer(page).press("Enter")
    expect(replies(page).last).to_contain_text("Whole.")
    expect(page.locator("#messages .user .bubble")).to_have_text("Half a thought")
    page.reload()
    expect(replies(page).last).to_contain_text("Whole.")
    expect(composer(page)).to_have_value("")


def test_who_leaves_a_conversation_leaves_the_change_of_its_message(page: Page, site: Site) -> None:
    site.say("About cats.")
    say(page, "Tell me of cats")
    expect(replies(page).last).to_contain_text("About cats.")
    here = page.locator("#header [data-conversation]").get_attribute("data-conversation")
    page.get_by_label("Edit message").last.click()
    expect(composer(page)).to_have_value("Tell me of cats")
    page.locator(f"#conversations [data-act=open][data-id='{here}']").click()
    expect(composer(page)).to_have_value("")
    expect(page.locator("#editing")).to_be_hidden()
