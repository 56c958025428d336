"""Nothing that is typed, generated or written in a persona becomes a part of the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from assistant.personas.persona import Persona
from tests.ui.conftest import Site, open_page, replies, say

ATTACKS = [
    "<script>window.hacked = 1</script>",
    '<img src="x" onerror="window.hacked = 1">',
    '<svg onload="window.hacked = 1"><circle r="9"/></svg>',
    "<svg><script>window.hacked = 1</script></svg>",
    '<iframe srcdoc="<script>parent.hacked = 1</script>"></iframe>',
    '<a href="javascript:window.hacked = 1">x</a>',
    "[click](javascript:window.hacked=1)",
    "[click](JaVaScRiPt:window.hacked=1)",
    "[click](data:text/html,<script>window.hacked=1</script>)",
    "![picture](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "![picture](http://127.0.0.1:9/picture.png)",
    "$\\href{javascript:window.hacked=1}{x}$ and $</math><script>window.hacked=1</script>$",
    "```html\n<script>window.hacked = 1</script>\n```",
    '```"><img/src=x/onerror=window.hacked=1>\ncode\n```',
    "<details ontoggle='window.hacked = 1' open><summary>x</summary></details>",
    "{{constructor.constructor('window.hacked=1')()}} ${window.hacked=1} `${window.hacked=1}`",
    "<style>body { display: none }</style>",
    '<form action="https://example.com"><input name="title"><button data-act="erase">x</button></form>',
]
ATTACK = "\n\n".join(ATTACKS)


@pytest.fixture
def watched(context: BrowserContext, site: Site) -> Page:
    """A page that writes down whatever it asks of anybody else, and any script that asks for attention."""
    page = open_page(context, site.url)
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    return page


def check(page: Page) -> None:
    """Nothing ran, and nothing of the attack is an element."""
    found = page.evaluate(
        """() => {
          const at = (name) => [...document.querySelectorAll(`#shell ${name}`)];
          const inside = '.message .text, .bubble, .card, .go, .who, .hit, .undo';
          return {
            hacked: window.hacked ?? null,
            elements: at('script, iframe, object, embed, style, form, input, img, details')
              .filter((one) => one.closest(inside)).map((one) => one.outerHTML),
            shapes: at('svg').filter((one) => one.closest(inside) && !one.matches('.icon')).map((one) => one.outerHTML),
            handlers: at('*').filter((one) => one.closest(inside))
              .filter((one) => [...one.attributes].some((a) => a.name.startsWith('on'))).map((one) => one.outerHTML),
            links: at('a').filter((one) => one.closest(inside)).map((one) => one.getAttribute('href'))
              .filter((href) => !/^(https?|mailto):/.test(href)),
          };
        }"""
    )
    assert found == {"hacked": None, "elements": [], "shapes": [], "handlers": [], "links": []}


def test_in_what_a_person_types_and_a_model_says(watched: Page, site: Site) -> None:
    asked: list[str] = []
    watched.on("request", lambda request: asked.append(request.url))
    site.say(ATTACK)
    say(watched, ATTACK)
    expect(replies(watched)).to_have_count(1)
    expect(watched.locator("#messages .bubble").last).to_contain_text("<script>window.hacked = 1</script>")
    check(watched)
    for link in watched.locator(".text a").all():
        assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer nofollow", "_blank")
    watched.reload()
    expect(replies(watched)).to_have_count(1)
    check(watched)
    assert [url for url in asked if not url.startswith((site.url, "data:", "blob:"))] == []


def test_in_a_persona_and_its_greeting(context: BrowserContext, site: Site) -> None:
    hostile = Persona(
        name="hostile",
        title=ATTACKS[1][:80],
        description=ATTACKS[2][:200],
        instruction="x",
        greeting=ATTACK[:4000],
        tags=(ATTACKS[0],),
    )
    version = site.store.save_persona(hostile)
    conversation = site.store.create_conversation(version.id, title=ATTACKS[1])
    site.store.add_tag(conversation.id, ATTACKS[2])
    page = open_page(context, f"{site.url}/?c={conversation.id}")
    expect(page.locator("#header")).to_contain_text("onerror")
    expect(page.locator("#messages .greeting")).to_contain_text("window.hacked")
    check(page)


def test_the_page_asks_nobody_else_for_anything(context: BrowserContext, site: Site) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/personas", "/dashboard"):
        page = context.new_page()
        page.goto(site.url + path)
        expect(page.locator("#header .who, h1").first).to_be_visible()
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((site.url, "data:", "blob:"))] == []
