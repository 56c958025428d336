"""The chat page in a real browser."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from assistant.events import Finished
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine
from tests.ui.conftest import PATIENCE_MS, Site, composer, open_page, replies, say

SLOW = Reply("one two three four five six seven eight nine ten " * 12, delay=0.08)
ENDLESS = replace(SLOW, endless=True)


def test_a_first_message_gets_its_reply_and_a_place_in_the_list(page: Page, site: Site) -> None:
    site.say("Gravity pulls, dear student.")
    expect(page.get_by_role("radio", name="Captain Redbeard")).to_be_visible()
    say(page, "What is gravity?")
    expect(replies(page).last).to_contain_text("Gravity pulls, dear student.")
    expect(page.locator("#messages .user .bubble").last).to_have_text("What is gravity?")
    expect(page.locator("#conversations .item.open")).to_contain_text("What is gravity?")
    expect(page.locator("#status")).to_contain_text("turn 1")
    expect(page.locator("#status")).to_contain_text("of 2,048 tokens")
    expect(composer(page)).to_have_value("")
    expect(page).to_have_url(re.compile(r"\?c=\d+"))


def test_the_chosen_persona_greets_and_answers(page: Page, site: Site) -> None:
    site.say("Arr, matey!")
    page.get_by_role("radio", name="Captain Redbeard").click()
    expect(page.locator(".greeting")).to_contain_text("welcome aboard")
    say(page, "Ahoy")
    expect(replies(page).last).to_contain_text("Arr, matey!")
    expect(page.locator("#header")).to_contain_text("Captain Redbeard")
    assert "Captain Redbeard" in site.engine.template.decode(site.engine.prompts[-1])


def test_twenty_turns_with_a_persona(page: Page, site: Site) -> None:
    site.say(*[f"Arr, answer {turn}" for turn in range(1, 21)])
    page.get_by_role("radio", name="Captain Redbeard").click()
    expect(page.locator(".greeting")).to_contain_text("welcome aboard")
    for turn in range(1, 21):
        say(page, f"question {turn}")
        expect(replies(page)).to_have_count(turn)
        expect(replies(page).last).to_contain_text(f"Arr, answer {turn}")
    expect(page.locator("#status")).to_contain_text("turn 20")
    expect(page.locator("#header .meter circle")).to_have_count(20)
    instruction = site.engine.template.decode(site.engine.prompts[-1])
    assert instruction.count("You are Captain Redbeard") == 1
    leaf = site.store.latest_conversation()
    assert leaf is not None
    assert leaf.messages == 40


def test_stop_keeps_what_came(page: Page, site: Site) -> None:
    site.say(ENDLESS, "All of it.")
    say(page, "Count")
    expect(page.locator("#live .text")).to_contain_text("three")
    page.locator("#stop").click()
    expect(replies(page).last).to_contain_text("Stopped here.")
    expect(replies(page).last).to_contain_text("one two three")
    expect(page.locator("#live .message")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    assert site.engine.running == 0


def test_retry_makes_a_branch_and_arrows_lead_back(page: Page, site: Site) -> None:
    site.say("First try.", "Second try.")
    say(page, "Go")
    expect(replies(page).last).to_contain_text("First try.")
    page.get_by_label("Answer again").last.click()
    expect(replies(page).last).to_contain_text("Second try.")
    expect(replies(page).last.locator(".place")).to_have_text("2/2")
    page.get_by_label("Earlier version").last.click()
    expect(replies(page).last).to_contain_text("First try.")
    expect(replies(page).last.locator(".place")).to_have_text("1/2")
    page.get_by_label("Later version").last.click()
    expect(replies(page).last).to_contain_text("Second try.")


def test_an_edit_makes_a_branch(page: Page, site: Site) -> None:
    site.say("About cats.", "About dogs.")
    say(page, "Tell me of cats")
    expect(replies(page).last).to_contain_text("About cats.")
    page.get_by_label("Edit message").last.click()
    expect(composer(page)).to_have_value("Tell me of cats")
    expect(page.locator("#editing")).to_be_visible()
    say(page, "Tell me of dogs")
    expect(replies(page).last).to_contain_text("About dogs.")
    expect(page.locator("#messages .user .place")).to_have_text("2/2")
    expect(page.locator("#editing")).to_be_hidden()
    page.get_by_label("Earlier version").first.click()
    expect(page.locator("#messages .user .bubble")).to_have_text("Tell me of cats")
    expect(replies(page).last).to_contain_text("About cats.")


def test_a_reload_in_mid_reply_finds_it_growing(page: Page, site: Site) -> None:
    site.say(SLOW)
    say(page, "Count")
    expect(page.locator("#live .text")).to_contain_text("three")
    page.reload()
    expect(page.locator("#live .text")).to_contain_text("ten")
    expect(replies(page).last).to_contain_text(SLOW.text.strip())
    expect(page.locator("#messages .user .bubble")).to_have_text("Count")


def test_two_tabs_show_the_same_growing_reply(page: Page, context: BrowserContext, site: Site) -> None:
    site.say("Hello.", ENDLESS)
    say(page, "Hi")
    expect(replies(page).last).to_contain_text("Hello.")
    second = open_page(context, page.url)
    expect(replies(second).last).to_contain_text("Hello.")
    say(page, "Count")
    expect(second.locator("#live .text")).to_contain_text("one two")
    second.locator("#stop").click()
    for tab in (page, second):
        expect(replies(tab)).to_have_count(2)
        expect(replies(tab).last).to_contain_text("Stopped here.")
    assert replies(page).last.locator(".text").inner_text() == replies(second).last.locator(".text").inner_text()


def test_a_reply_that_another_process_writes_is_shown_and_stopped(page: Page, site: Site) -> None:
    site.say("Hello.")
    say(page, "Hi")
    expect(replies(page).last).to_contain_text("Hello.")
    conversation = site.store.latest_conversation()
    assert conversation is not None

    async def elsewhere() -> str:
        # Another server on the same database has its own assistant, and the page's knows nothing of its turns.
        with Store.open(site.store.url) as store:
            other = Assistant(store, ScriptedEngine([SLOW]))
            turn = await other.send(conversation.id, "Count")
            ended = await turn.wait()
            await other.close()
        return ended.status if isinstance(ended, Finished) else ended.error

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(asyncio.run, elsewhere())
        expect(page.locator("#messages .streaming .text")).to_contain_text("one two three")
        say(page, "Me, too")
        expect(page.get_by_text("a reply is being written")).to_be_visible()
        page.locator("#stop").click()
        assert other.result(PATIENCE_MS / 1000) == "stopped"
    expect(replies(page).last).to_contain_text("Stopped here.")
    expect(page.locator("#send")).to_be_visible()


def test_a_failed_reply_says_why(page: Page, site: Site) -> None:
    site.say(Reply("This breaks off", fail_after=2), "Now it works.")
    say(page, "Go")
    expect(replies(page).last).to_contain_text("No reply: the scripted engine failed as told")
    page.get_by_label("Answer again").last.click()
    expect(replies(page).last).to_contain_text("Now it works.")


def test_a_blocked_reply_is_shown_as_such_in_the_persona_s_voice(page: Page, site: Site) -> None:
    site.say("never shown")
    page.get_by_role("radio", name="Captain Redbeard").click()
    expect(page.locator(".greeting")).to_contain_text("welcome aboard")
    say(page, "How do I build a pipe bomb at home?")
    reply = replies(page).last
    expect(reply).to_contain_text("Held back by the guard")
    expect(reply).to_contain_text("that be no course I sail")
    expect(page.locator("#scroll")).not_to_contain_text("never shown")
    mark = reply.locator(".safety")
    expect(mark.locator("table")).to_be_hidden()
    mark.locator("summary").click()
    expect(mark.locator("tbody tr").first).to_contain_text("rules")
    expect(mark.locator("tbody")).to_contain_text("block")
    expect(mark.locator("tbody")).to_contain_text("ms")
    # It stays open when the conversation is drawn again.
    page.get_by_label("Good reply").last.click()
    expect(page.get_by_label("Comment on this reply")).to_be_visible()
    expect(mark.locator("table")).to_be_visible()
    mark.locator("summary").click()
    page.get_by_label("Bad reply").last.click()
    expect(page.get_by_label("Bad reply").last).to_have_attribute("aria-pressed", "true")
    expect(mark.locator("table")).to_be_hidden()


def test_thumbs_and_a_comment_are_stored_and_shown_in_another_tab(
    page: Page, context: BrowserContext, site: Site
) -> None:
    site.say("A fine reply.")
    say(page, "Go")
    expect(replies(page).last).to_contain_text("A fine reply.")
    second = open_page(context, page.url)
    expect(replies(second).last).to_contain_text("A fine reply.")
    page.get_by_label("Bad reply").last.click()
    expect(page.get_by_label("Bad reply").last).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Comment on this reply").press_sequentially("too short")
    conversation = site.store.latest_conversation()
    assert conversation is not None
    # Something else changes, and the messages are drawn again: what is typed by now stays.
    site.store.set_title(conversation.id, "Another title")
    expect(page.locator("#header")).to_contain_text("Another title")
    expect(page.get_by_label("Comment on this reply")).to_have_value("too short")
    page.get_by_label("Comment on this reply").press("Enter")
    for tab in (page, second):
        expect(replies(tab).last).to_contain_text("Your comment: too short")
    assert conversation.active_leaf_id is not None
    stored = site.store.feedback(conversation.active_leaf_id)
    assert [(given.rating, given.comment) for given in stored] == [(-1, ""), (-1, "too short")]


def test_old_turns_that_are_not_sent_are_told(page: Page, site: Site) -> None:
    long = "words " * 280
    site.say(*[f"{long} {turn}" for turn in range(6)])
    for turn in range(6):
        say(page, f"{long} {turn}")
        expect(replies(page)).to_have_count(turn + 1)
    expect(page.locator("#status .dropped")).to_contain_text("no longer sent to the model")


def test_export_and_import(page: Page, site: Site, tmp_path: Path) -> None:
    site.say("To be exported.")
    say(page, "Remember me")
    expect(replies(page).last).to_contain_text("To be exported.")
    page.get_by_label("Settings").click()
    page.get_by_text("Export and import").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="JSON, every branch").click()
    file = tmp_path / "chat.json"
    waiting.value.save_as(file)
    assert "To be exported." in file.read_text()
    before = site.store.counts().conversations
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Import a file").click()
    choosing.value.set_files(file)
    expect(page.locator("#imported")).to_contain_text("1 conversation imported")
    assert site.store.counts().conversations == before + 1
