from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.checks import forms
from guardrails.checks.check import Check, Kind


@given(st.text())
def test_text_made_lower_or_upper_passes_if_case_can_be_seen(text: str) -> None:
    if text.lower() != text.lower().upper():
        assert forms.lower(text.lower())
    if text.upper() != text.upper().lower():
        assert forms.upper(text.upper())


@pytest.mark.parametrize(
    ("kind", "reply", "passes"),
    [
        ("lower", "all small, 42!", True),
        ("lower", "one Capital", False),
        ("lower", "42", False),
        ("lower", "éß", True),
        ("upper", "ALL LARGE, 42!", True),
        ("upper", "ONE SMALl", False),
        ("upper", "我", False),
        ("no_comma", "no comma; none", True),
        ("no_comma", "one, two", False),
        ("question", "Is it?", True),
        ("question", 'He asks "Is it?"\r\n', True),
        ("question", "**Is it?**", True),
        ("question", "Is it? Yes.", False),
        ("question", "是吗？", True),
        ("quoted", '"It is."', True),
        ("quoted", "“It is.”\n", True),
        ("quoted", '"It" is.', False),
        ("quoted", '"', False),
        ("quoted", "'It is.'", False),
        ("title", "<<A poem of joy>>\nText", True),
        ("title", "<< >>", False),
        ("title", "<<A\nB>>", False),
        ("title", "<A>", False),
        ("postscript", "Bye.\nP.S. One more", True),
        ("postscript", "Bye.\np. s. one more", True),
        ("postscript", "Bye.\nPS one more", False),
        ("two_responses", "One\n******\nTwo", True),
        ("two_responses", "******One******Two******", True),
        ("two_responses", "One******One", False),
        ("two_responses", "One******Two******Three", False),
        ("two_responses", "One************Two", False),
        ("two_responses", "One***Two", False),
    ],
)
def test_forms(kind: Kind, reply: str, passes: bool) -> None:
    assert Check(kind=kind).passes(reply) is passes


@pytest.mark.parametrize(("reply", "passes"), [("Yes. P.P.S", True), ("p. p. s. yes", True), ("P.S. yes", False)])
def test_postscripts_of_postscripts(reply: str, passes: bool) -> None:
    assert Check(kind="postscript", value="P.P.S").passes(reply) is passes


@pytest.mark.parametrize(
    ("reply", "found"), [("[name] and [age]", 2), ("[]", 1), ("[[a]]", 1), ("[a\nb]", 0), ("a] [b", 0), ("[a][b] [", 2)]
)
def test_placeholders(reply: str, found: int) -> None:
    assert forms.placeholders(reply) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [("*a* and **b**", 2), ("* a\n* b", 0), ("**", 0), ("* *", 0), ("*a\nb*", 0), ("*one* *two* *three*", 3)],
)
def test_highlights(reply: str, found: int) -> None:
    assert forms.highlights(reply) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [("Section 1\na\nSection 2\nb", 2), ("**Section 12:** a", 1), ("SECTION 1", 0), ("Section A", 0), ("Section1", 1)],
)
def test_sections(reply: str, found: int) -> None:
    assert forms.sections(reply, "Section") == found


@pytest.mark.parametrize(
    ("reply", "whole", "points"),
    [
        ("- a\n- b", 2, 2),
        ("* a\r\n* b\r\n".replace("\r\n", "\n"), 2, 2),
        ("• a\n\n  • b", 2, 0),
        ("Here:\n- a\n- b", 0, 2),
        ("-a\n-b", 0, 2),
        ("**bold**\ntext", 0, 0),
        ("- a\n---", 0, 2),
        ("prose", 0, 0),
    ],
)
def test_bullets_are_the_whole_reply_and_bullet_points_are_not(reply: str, whole: int, points: int) -> None:
    assert forms.bullets(reply) == whole
    assert forms.bullet_points(reply) == points


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("1. a\n2. b\n\n3. c", 3),
        ("1) a\n2) b", 2),
        ("1. a\n1. b", 0),
        ("2. a\n3. b", 0),
        ("Here:\n1. a", 0),
        ("1.5 is a number", 0),
        ("1 a", 0),
    ],
)
def test_numbered(reply: str, found: int) -> None:
    assert forms.numbered(reply) == found
    assert Check(kind="numbered").passes(reply) is bool(found)


@pytest.mark.parametrize(
    ("reply", "key", "passes"),
    [
        ('{"answer": 1}', "", True),
        ("[1, 2]", "", True),
        ('```json\n{"answer": 1}\n```', "answer", True),
        ('```\n{"answer": 1}\n```\n', "", True),
        ('{"answer": 1}', "reason", False),
        ('["answer"]', "answer", False),
        ("{'answer': 1}", "", False),
        ('{"answer": 1} So.', "", False),
        ('So: {"answer": 1}', "", False),
        ("42", "", False),
        ('"text"', "", False),
        ("[" * 50_000 + "]" * 50_000, "", False),
    ],
)
def test_json(reply: str, key: str, passes: bool) -> None:
    assert Check(kind="json", value=key).passes(reply) is passes
