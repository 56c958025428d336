"""What the page is made of, without a browser: Markdown, formulas, the list, the figures and the editor's form."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.store.records import ConversationSummary, JudgedReply, SearchHit, Verdict
from guardrails.checks.check import Check
from ui import dashboard, editor, render
from ui.follow import Progress
from ui.formulas import formula
from ui.listing import by_date, tag_of
from ui.markdown import to_html
from ui.view import judgements

TODAY = date(2026, 3, 15)


def verdict(judge: str, stage: str, decision: str, score: float | None, milliseconds: float = 1.0) -> Verdict:
    return Verdict(0, 0, stage, judge, "1", score, 0.5, decision, f"because {decision}", "", milliseconds, 0)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](data:text/html,<script>alert(1)</script>)",
        "![x](javascript:alert(1))",
        "```<script>\nx\n```",
        "`<b>`",
        "$<script>alert(1)</script>$",
        "$\\href{javascript:alert(1)}{x}$",
    ],
)
def test_no_text_becomes_markup_of_its_own(text: str) -> None:
    html = str(to_html(text))
    for tag in ("<script", "<img", "<svg", "<b>", 'href="javascript', 'href="data', "onerror=alert(1)>", "href='java"):
        assert tag not in html.replace("&lt;", "")


def test_markdown_is_drawn() -> None:
    html = str(to_html("**bold**\nnext ~~gone~~ https://x.example [link](https://x.example)\n\n- one\n  - two"))
    assert "<strong>bold</strong><br />" in html
    assert "<s>gone</s>" in html
    assert html.count('rel="noopener noreferrer nofollow"') == 1
    assert html.count("<ul>") == 2
    assert 'class="k">def</span>' in str(to_html("```python\ndef f(): ...\n```"))
    assert ">no-such-language<" in str(to_html("```no-such-language\ndef\n```"))
    picture = str(to_html("![a cat](https://x.example/cat.png)"))
    assert '<a href="https://x.example/cat.png"' in picture
    assert "<img" not in picture


def test_formulas_are_mathml_and_what_cannot_be_read_is_code() -> None:
    assert formula("x^2", block=False).startswith("<math")
    assert 'display="block"' in formula("\\frac{a}{b}", block=True)
    assert formula("\\left( a", block=False) == "<code>\\left( a</code>"
    assert formula("x" * 3000, block=False).startswith("<code>")
    assert "href" not in formula("\\href{https://x.example}{y}", block=False)
    assert str(to_html("It costs $5 or $6.")).count("<math") == 0


def test_a_formula_too_deep_to_draw_is_code() -> None:
    assert "<code>" in to_html(f"${'x_{' * 300}x{'}' * 300}$")


def summary(id: int, when: date, *, pinned: bool = False) -> ConversationSummary:
    moment = int(datetime(when.year, when.month, when.day, 12).timestamp() * 1000)
    return ConversationSummary(id, "", "", "", pinned, False, 0, None, moment, moment, ())


def test_conversations_stand_under_their_dates() -> None:
    ages = [0, 1, 6, 7, 29, 30, 80]
    found = [summary(age, TODAY - timedelta(days=age)) for age in ages]
    found.append(summary(99, TODAY - timedelta(days=200), pinned=True))
    groups = [(name, [item.id for item in items]) for name, items in by_date(found, TODAY)]
    assert groups == [
        ("Pinned", [99]),
        ("Today", [0]),
        ("Yesterday", [1]),
        ("Last 7 days", [6]),
        ("Last 30 days", [7, 29]),
        ("February 2026", [30]),
        ("December 2025", [80]),
    ]
    assert by_date([summary(1, TODAY + timedelta(days=1))], TODAY)[0][0] == "Today"


@pytest.mark.parametrize(("typed", "tag"), [("#a b ", "a b"), (" #x", "x"), ("#", None), ("c#", None), ("", None)])
def test_a_search_for_a_tag_begins_with_a_hash(typed: str, tag: str | None) -> None:
    assert tag_of(typed) == tag


def test_found_words_are_marked_and_nothing_else_is_markup() -> None:
    hit = SearchHit(1, 1, "<i>", "user", "a <b> word", 0, ((6, 10),))
    html = render.render(
        "conversations", hits=[hit], groups=[], more=False, shelf="chats", tag=None, open=None, undo=None
    )
    assert "a &lt;b&gt; <mark>word</mark>" in html
    assert "<i>" not in html


def test_a_growing_reply_shows_its_text_or_that_it_waits() -> None:
    assert "is writing" in render.growing("Ada", Progress(1))
    shown = render.growing("Ada", Progress(1, "**yes**", notices=["<told>"]))
    assert "<strong>yes</strong>" in shown
    assert "is writing" not in shown
    assert "&lt;told&gt;" in shown
    assert "Held back by the guard" in render.growing("Ada", Progress(1, "no", blocked=True))


def test_the_chart_at_the_top_has_a_dot_for_each_of_the_last_replies() -> None:
    html = render.header("T", "P", conversation=1, running=False, adherence=[1.0, 0.5] * 20)
    assert html.count("<circle") == 30
    assert html.count('class="strayed"') == 15
    assert "75% on average" in html
    assert (
        "<svg viewBox" not in render.header("T", "P", conversation=1, running=False, adherence=[]).split("class=who")[0]
    )


def test_verdicts_are_gathered_by_judge_and_stage() -> None:
    given = [
        verdict("reward", "window", "pass", 0.9, 5),
        verdict("reward", "window", "block", 0.1, 3),
        verdict("reward", "final", "pass", None),
        verdict("persona", "final", "pass", 1.0),
    ]
    window, final = judgements(given)
    assert (window.count, window.score, window.decision, window.latency_ms) == (2, 0.1, "block", 5)
    assert window.reason == "because block"
    assert (final.stage, final.score, final.count) == ("final", None, 1)


def judged(turn: int, judge: str, decision: str, score: float | None) -> JudgedReply:
    return JudgedReply(turn, judge, "final", decision, score, 10.0)


def test_categories_stand_in_their_natural_order() -> None:
    replies = [judged(1, "rules", decision, None) for decision in ("block", "new", "unavailable", "flag", "pass")]
    assert list(dashboard._decisions(replies)["decision"]) == ["pass", "flag", "unavailable", "block", "new"]
    waits = dashboard._waits([20, 100, 120, 9_000, 50_000])
    assert list(waits["within"]) == ["0.032", "0.064", "0.13", "0.26", "0.51", "1", "2", "4.1", "8.2", "16", "33", "66"]
    assert list(waits["replies"]) == [1, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    assert dashboard._waits([]).empty


def test_recall_counts_whole_replies_and_adherence_shares_of_them() -> None:
    table = dashboard._kept([judged(2, "persona", "pass", score) for score in (1.0, 0.5, 0.0, 1.0)])
    assert {measure.split()[0]: share for _, share, measure in table.itertuples(index=False)} == {
        "checks": 0.625,
        "replies": 0.5,
    }
    assert dashboard._kept([judged(1, "rules", "pass", 1.0)]).empty


def test_scores_fall_into_bins_and_the_highest_into_the_last() -> None:
    table = dashboard._histogram([judged(1, "reward", "pass", score) for score in (0.0, 0.049, 1.0, None)])
    assert [(round(score, 3), count) for score, count, _ in table.itertuples(index=False)] == [(0.025, 2), (0.975, 1)]


def test_the_form_of_a_persona_gives_the_persona_back() -> None:
    persona = Persona(
        name="ada",
        title="Ada",
        instruction="Speak as Ada.",
        tags=("maths", "history"),
        sampling=Sampling(temperature=0.2, top_k=7, stop=("END",)),
        checks=(Check(kind="contains", value='a "quoted" word'), Check(kind="opening", value="Well")),
        extensions={"depth": 3},
    )
    draft = editor.Draft()
    draft.begin(persona)
    assert editor.to_persona(editor.to_fields(persona), draft) == persona


def test_every_shipped_persona_can_be_edited(tmp_path_factory: pytest.TempPathFactory) -> None:
    for persona in PersonaLibrary(tmp_path_factory.mktemp("none")).all():
        draft = editor.Draft()
        draft.begin(persona)
        assert editor.problems_of(editor.to_fields(persona), draft) == []
