"""The list of conversations in a real browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import Site, replies, say


def talk(page: Page, site: Site, text: str, reply: str = "Well said.") -> None:
    """A conversation with one turn."""
    page.locator("#new-chat").click()
    expect(page.locator(".gallery")).to_be_visible()
    site.say(reply)
    say(page, text)
    expect(replies(page).last).to_contain_text(reply)


def item(page: Page, title: str) -> Locator:
    """The line of a conversation."""
    return page.locator("#conversations .item").filter(has_text=title)


def shelf(page: Page, name: str) -> Locator:
    """Which conversations are listed."""
    return page.locator("#shelf label").filter(has_text=name)


def menu(page: Page, title: str) -> Locator:
    """The opened menu of a conversation."""
    item(page, title).get_by_label("Options of").click()
    opened = page.locator(".menu:popover-open")
    expect(opened).to_be_visible()
    return opened


def test_rename_tag_pin(page: Page, site: Site) -> None:
    talk(page, site, "About chess")
    form = menu(page, "About chess")
    form.get_by_label("Title").fill("Openings")
    form.get_by_role("button", name="Rename").click()
    expect(item(page, "Openings")).to_be_visible()
    expect(page.locator("#header")).to_contain_text("Openings")
    form = menu(page, "Openings")
    form.get_by_label("Tags").fill("games, Study")
    form.get_by_role("button", name="Set tags").click()
    expect(item(page, "Openings").locator(".tags")).to_have_text("gamesstudy")
    menu(page, "Openings").get_by_role("button", name="Pin").click()
    expect(page.locator("#conversations h2").first).to_have_text("Pinned")


def test_a_click_on_a_tag_lists_what_has_it(page: Page, site: Site) -> None:
    for title, tags in (("About rain", "weather, water"), ("About snow", "weather"), ("About sand", "")):
        talk(page, site, title)
        if tags:
            form = menu(page, title)
            form.get_by_label("Tags").fill(tags)
            form.get_by_role("button", name="Set tags").click()
            expect(item(page, title).locator(".tags button").first).to_be_visible()
    search = page.locator("#search").get_by_role("textbox")
    item(page, "About rain").get_by_role("button", name="weather").click()
    expect(search).to_have_value("#weather")
    expect(page.locator("#conversations .item")).to_have_count(2)
    expect(item(page, "About sand")).to_have_count(0)
    item(page, "About rain").get_by_role("button", name="water").click()
    expect(page.locator("#conversations .item")).to_have_count(1)
    expect(item(page, "About rain")).to_be_visible()
    search.fill("#desert")
    expect(page.locator("#conversations")).to_contain_text("Nothing here has the tag desert.")
    search.fill("")
    expect(item(page, "About sand")).to_be_visible()


def test_an_open_menu_stays_open_when_the_list_is_drawn_again(page: Page, site: Site) -> None:
    talk(page, site, "About chess")
    opened = menu(page, "About chess")
    conversation = site.store.list_conversations()[0]
    site.store.set_title(conversation.id, "Named elsewhere")
    expect(item(page, "Named elsewhere")).to_be_visible()
    expect(opened).to_be_visible()
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)


def test_archive_delete_and_undo(page: Page, site: Site) -> None:
    talk(page, site, "Put me away")
    menu(page, "Put me away").get_by_role("button", name="Archive").click()
    expect(item(page, "Put me away")).to_have_count(0)
    shelf(page, "Archive").click()
    expect(item(page, "Put me away")).to_be_visible()
    shelf(page, "Chats").click()
    talk(page, site, "Delete me")
    menu(page, "Delete me").get_by_role("button", name="Delete").click()
    expect(item(page, "Delete me")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(item(page, "Delete me")).to_be_visible()
    menu(page, "Delete me").get_by_role("button", name="Delete").click()
    shelf(page, "Trash").click()
    page.once("dialog", lambda dialog: dialog.accept())
    menu(page, "Delete me").get_by_role("button", name="Erase for good").click()
    expect(page.locator("#conversations")).to_contain_text("The trash is empty")
    assert site.store.counts().trashed == 0


def test_search_finds_a_message_and_opens_it(page: Page, site: Site) -> None:
    talk(page, site, "Something of zebras", "Zebras have stripes.")
    talk(page, site, "Something else")
    page.locator("#search").get_by_role("textbox").fill("stripes")
    hit = page.locator("#conversations .hit")
    expect(hit.locator("mark")).to_have_text("stripes")
    hit.click()
    expect(replies(page).last).to_contain_text("Zebras have stripes.")
    page.locator("#search").get_by_role("textbox").fill("xylophone")
    expect(page.locator("#conversations")).to_contain_text("Nothing found")


def below(page: Page) -> float:
    """How many pixels of the conversation are below what is seen."""
    gap: float = page.evaluate(
        "() => { const box = document.querySelector('#scroll');"
        " return box.scrollHeight - box.scrollTop - box.clientHeight }"
    )
    return gap


def test_an_opened_conversation_shows_its_very_end(page: Page, site: Site) -> None:
    talk(page, site, "About mountains")
    for number in range(7):
        site.say(f"Mountain {number} is high. " * 25)
        say(page, f"And number {number}?")
        expect(replies(page).last).to_contain_text(f"Mountain {number}")
    talk(page, site, "About valleys")
    item(page, "About mountains").locator('[data-act="open"]').first.click()
    expect(page.locator("#header")).to_contain_text("About mountains")
    page.wait_for_timeout(1500)
    assert below(page) <= 1
    page.reload()
    expect(replies(page).last).to_contain_text("Mountain 6")
    page.wait_for_timeout(1500)
    assert below(page) <= 1
