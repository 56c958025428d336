"""The persona editor in a real browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.ui.conftest import Site, composer, replies, say


def field(page: Page, name: str) -> Locator:
    """A field of the form."""
    return page.locator(f"#field-{name} textarea, #field-{name} input").first


def test_a_new_persona_is_checked_while_it_is_written_and_then_answers(page: Page, site: Site) -> None:
    page.get_by_role("link", name="Personas").click()
    page.get_by_role("button", name="New persona").click()
    field(page, "name").fill("Not A Name")
    expect(page.locator("#report")).to_contain_text("use up to 64 lowercase letters")
    expect(page.locator("#save-persona")).to_be_disabled()
    field(page, "name").fill("rose")
    field(page, "title").fill("Rose the gardener")
    field(page, "instruction").fill("You are Rose, a gardener. Say bloom in every reply.")
    field(page, "greeting").fill("Hello from the garden.")
    field(page, "checks").fill("kind = contains")
    expect(page.locator("#report")).to_contain_text("cannot be read")
    field(page, "checks").fill('kind = "contains", value = "bloom"')
    expect(page.locator("#report")).to_contain_text("Ready to save")
    page.locator("#save-persona").click()
    expect(page.locator("#report")).to_contain_text("Saved as")
    card = page.locator(".card").filter(has_text="Rose the gardener")
    card.get_by_role("link", name="Chat").click()
    expect(page.locator(".greeting")).to_contain_text("Hello from the garden.")
    expect(composer(page)).to_be_editable()
    site.say("All in bloom.")
    say(page, "How are the roses?")
    expect(replies(page).last).to_contain_text("All in bloom.")
    assert "You are Rose, a gardener." in site.engine.template.decode(site.engine.prompts[-1])


def test_an_edited_persona_keeps_what_the_form_does_not_show(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/personas")
    page.get_by_label("Edit Captain Redbeard").click()
    expect(field(page, "title")).to_have_value("Captain Redbeard")
    expect(field(page, "checks")).to_have_value('kind = "contains", value = "arr|matey"')
    field(page, "title").fill("Captain Bluebeard")
    expect(page.locator("#report")).to_contain_text("Ready to save")
    page.locator("#save-persona").click()
    expect(page.locator("#report")).to_contain_text("Saved as")
    expect(page.locator(".card").filter(has_text="Captain Bluebeard")).to_be_visible()


def test_a_new_persona_does_not_take_the_place_of_another(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/personas")
    page.get_by_role("button", name="New persona").click()
    field(page, "name").fill("pirate")
    field(page, "title").fill("Another pirate")
    field(page, "instruction").fill("You are another pirate.")
    expect(page.locator("#report")).to_contain_text("Ready to save")
    page.locator("#save-persona").click()
    expect(page.locator("#report")).to_contain_text("there is a persona 'pirate' already")
    expect(page.locator(".card").filter(has_text="Another pirate")).to_have_count(0)
