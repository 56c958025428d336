from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.checks.check import Check, Kind

phrase = st.text(min_size=1, max_size=20).filter(lambda text: text.replace("|", " ").strip())


@pytest.mark.parametrize(
    ("value", "reply", "passes"),
    [
        ("Aha!", "Aha! It is so.", True),
        ("Aha!", "  \n“AHA! It is so.”", True),
        ("Aha!", "Aha, it is so.", False),
        ("Aha!", "Well, aha!", False),
        ("Aha", "Ahab was a captain.", True),  # a prefix of text
        ("That's right", "That’s right, friend.", True),
        ("Übrigens", "übrigens: ja", True),
        ("Straße", "STRASSE", True),
        ("Ahoy, matey", "Ahoy,\r\nmatey", False),
        ("🎾", "🎾 hello", True),
        ('"', '"yes', True),
        ('"', "yes", False),
    ],
)
def test_opening(value: str, reply: str, passes: bool) -> None:
    assert Check(kind="opening", value=value).passes(reply) is passes


@pytest.mark.parametrize(
    ("value", "reply", "passes"),
    [
        ("Cheers!", "So it is. Cheers!", True),
        ("Cheers!", "So it is. cheers! \r\n", True),
        ("Cheers!", "So it is. Cheers", True),
        ("Cheers!", "So it is. Cheers.", True),
        ("Cheers!", 'He said "Cheers!"', True),
        ("Cheers!", "Cheers! So it is.", False),
        ("Cheers!", "So it is. Cheer", False),
        ("Cheers", "So it is. Cheers!", False),
        ("Cheers", "So it is. Cheers ", True),
        ("Until next time, dear student.", "Until next time dear student.", False),
        ("!", "Yes!", True),
        ("!", "Yes.", False),
        ("😊", "Yes 😊", True),
    ],
)
def test_closing(value: str, reply: str, passes: bool) -> None:
    assert Check(kind="closing", value=value).passes(reply) is passes


@pytest.mark.parametrize(
    ("reply", "passes"), [("Peace!", True), ("peace!\n", True), ("Peace.", False), ("Peace", False)]
)
def test_closing_exactly_minds_the_final_punctuation(reply: str, passes: bool) -> None:
    assert Check(kind="closing", value="Peace!", relation="exactly").passes(reply) is passes


@given(value=phrase, text=st.text(max_size=20))
def test_what_is_put_before_or_after_a_text_opens_or_closes_it(value: str, text: str) -> None:
    assert Check(kind="opening", value=value).passes(value + text)
    assert Check(kind="closing", value=value).passes(text + value)
    assert Check(kind="closing", value=value, relation="exactly").passes(text + value)


@pytest.mark.parametrize(
    ("value", "reply", "passes"),
    [
        ("cat", "The cat sat.", True),
        ("cat", "The CAT's milk.", True),
        ("cat", "Concatenate the cats.", False),
        ("cat", "cat_food", False),
        ("cat", "my_cat", False),
        ("cat", "a **cat** or a _cat_ or a __cat__", True),
        ("cat", "_cat_", True),
        ("Albert Einstein|Einstein", "I am Einstein.", True),
        ("Albert Einstein|Einstein", "I am Albert\r\n  Einstein.", True),
        ("Albert Einstein|Einstein", "I am Albert.", False),
        ("don't", "I don’t know", True),
        ("C++", "I like C++!", True),
        ("C++", "I like C+", False),
        ("(sic)", "so (sic) it is", True),
        (".*", "anything", False),
        ("日本", "私は日本人です", True),
        ("café", "CAFÉ", True),
        ("🎾", "play🎾now", True),
    ],
)
def test_contains_and_avoids_are_opposites(value: str, reply: str, passes: bool) -> None:
    assert Check(kind="contains", value=value).passes(reply) is passes
    assert Check(kind="avoids", value=value).passes(reply) is not passes


def test_contains_count_counts_each_place_once() -> None:
    reply = "Einstein, Albert Einstein, and einstein."
    check = Check(kind="contains_count", value="Einstein|Albert Einstein", count=3)
    assert check.passes(reply)
    assert not check.model_copy(update={"count": 4}).passes(reply)
    assert not Check(kind="contains_count", value="Newton").passes(reply)  # at least 0 means at least 1


def test_mentions_looks_inside_words() -> None:
    assert Check(kind="mentions", value="riddle", count=2).passes("Riddles and riddled")
    assert not Check(kind="mentions", value="riddle", count=2, relation="less than").passes("Riddles and riddled")
    assert not Check(kind="mentions", value="a.b", count=1).passes("aab")


@pytest.mark.parametrize(
    ("reply", "passes"), [("So: My answer is no.", True), ("my answer is no.", False), ("My answer is no", False)]
)
def test_constrained_choice_is_letter_by_letter(reply: str, passes: bool) -> None:
    assert Check(kind="constrained_choice", value="My answer is yes.|My answer is no.").passes(reply) is passes


@pytest.mark.parametrize(
    ("number", "reply", "passes"),
    [
        (1, "It is.\n\nSo.", True),
        (2, "So.\n\n'It, is", True),
        (2, "So.\r\n\r\nIT", True),
        (2, "So.\n\n\n\nIt is", True),
        (2, "So.\nIt is", False),
        (1, "Its name", False),
        (3, "So.\n\nIt", False),
    ],
)
def test_first_word_of_paragraph(number: int, reply: str, passes: bool) -> None:
    assert Check(kind="first_word_of_paragraph", value="It", count=number).passes(reply) is passes


def test_repeat_prompt() -> None:
    check = Check(kind="repeat_prompt")
    assert check.passes("what is gravity? It pulls.", " What is gravity?\r\n")
    assert not check.passes("You ask: What is gravity?", "What is gravity?")
    assert not check.passes("It pulls.")  # nothing to repeat
    assert Check(kind="repeat_prompt", value="Say hi").passes("Say hi. Hi!", "First repeat the request. Say hi")


@pytest.mark.parametrize("kind", ["opening", "closing", "contains", "mentions"])
def test_the_shape_of_quotation_marks_does_not_matter(kind: Kind) -> None:
    assert Check(kind=kind, value="it’s “it”").passes('it\'s "it"')
