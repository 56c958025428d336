"""Keys, phone, dark mode, and accessibility."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.scripted_engine import Reply
from tests.ui.conftest import PATIENCE_MS, Site, composer, open_page, replies, say

RICH = """Look at this:

| a | b |
|---|---|
| 1 | 2 |

```python
def area(r: float) -> float:
    # indentation stays
    return 3.14 * r**2
```

1. first
   - nested

and $E = mc^2$, or $$\\frac{a}{b}$$ and \\(x^2\\)."""


def test_keys(page: Page, site: Site) -> None:
    site.say("Fine.", Reply("on and on " * 60, delay=0.05, endless=True))
    composer(page).press("Control+k")
    expect(page.locator("#search").get_by_role("textbox")).to_be_focused()
    page.keyboard.press("Control+/")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    say(page, "First")
    expect(replies(page).last).to_contain_text("Fine.")
    composer(page).press("ArrowUp")
    expect(composer(page)).to_have_value("First")
    page.locator("#cancel-edit").click()
    expect(composer(page)).to_have_value("")
    say(page, "Second")
    expect(page.locator("#live .text")).to_contain_text("on and on")
    page.keyboard.press("Escape")
    expect(replies(page).last).to_contain_text("Stopped here.")
    page.keyboard.press("Control+Shift+o")
    expect(page.locator(".gallery")).to_be_visible()
    expect(composer(page)).to_be_focused()


def test_markdown_code_and_formulas(page: Page, site: Site) -> None:
    site.say(RICH)
    say(page, "Show me")
    reply = replies(page).last
    expect(reply.locator(".code code")).to_contain_text("    return 3.14 * r**2")
    expect(reply.locator(".code .bar span")).to_have_text("python")
    expect(reply.locator("td").first).to_have_text("1")
    expect(reply.locator("math")).to_have_count(3)
    expect(reply.locator("ol ul li")).to_have_text("nested")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply.get_by_label("Copy code").click()
    expect(reply.get_by_label("Copy code")).to_have_class("done")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("def area(r: float) -> float:\n    # indentation stays")


def test_dark_and_light(page: Page) -> None:
    def lightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765

    assert lightness() > 0.9
    page.get_by_label("Dark or light").click()
    expect(page.locator("body.dark")).to_have_count(1)
    assert lightness() < 0.2
    page.reload()
    expect(page.locator("body.dark")).to_have_count(1)
    assert lightness() < 0.2


def test_on_a_phone(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = open_page(context, site.url)
        site.say("Short and sweet.")
        say(page, "From my phone")
        expect(replies(page).last).to_contain_text("Short and sweet.")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
        box = composer(page).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844
        expect(page.locator("#new-chat")).to_be_hidden()
        page.get_by_label("Conversations", exact=True).click()
        expect(page.locator("#new-chat")).to_be_visible()
        page.locator("#conversations .go").first.click()
        expect(page.locator("#new-chat")).to_be_hidden()
    finally:
        context.close()


def serious(page: Page) -> list[tuple[Any, ...]]:
    """What axe finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"][:4]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_serious_finding(browser: Browser, site: Site, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = open_page(context, site.url)
        assert serious(page) == []
        site.say(RICH)
        say(page, "Show me")
        expect(replies(page).last).to_contain_text("Look at this")
        replies(page).last.locator(".safety summary").click()
        page.get_by_label("Settings").click()
        assert serious(page) == []
        for path in ("/personas", "/dashboard"):
            page.goto(site.url + path)
            expect(page.locator("h1")).to_be_visible()
            assert serious(page) == []
    finally:
        context.close()
