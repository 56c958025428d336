"""Several people: each logs in and sees their own conversations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.ui.conftest import Site, composer, replies, run_site, say

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server where people log in."""
    for made in run_site(tmp_path_factory.mktemp("site"), users=True):
        made.store.add_user("ada", PASSWORD)
        made.store.add_user("bob", PASSWORD)
        yield made


def test_each_sees_their_own(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(site.url)
    expect(page).to_have_url(f"{site.url}/login")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(composer(page)).to_be_editable()
    site.say("For Ada alone.")
    say(page, "A secret of Ada")
    expect(replies(page).last).to_contain_text("For Ada alone.")
    export = page.url.replace("/?c=", "/export/") + ".md"
    assert "For Ada alone." in context.request.get(export).text()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{site.url}/login")
    assert context.request.get(export, headers={"accept": "*/*"}).status == 401
    page.get_by_label("Name").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#conversations")).to_contain_text("No conversations yet")
    assert context.request.get(export).status == 404
