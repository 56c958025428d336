from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from assistant.store import search
from assistant.store.records import Conversation, PersonaVersion, SearchHit
from assistant.store.search import substring_query
from assistant.store.store import Store
from tests.assistant.store.saying import say


def found(store: Store, query: str) -> list[str]:
    return [store.message(hit.message_id).content for hit in store.search(query)]


def highlighted(hit: SearchHit) -> list[str]:
    return [hit.snippet[start:end] for start, end in hit.matches]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    query=st.text(st.characters(), max_size=30)
    | st.text(st.sampled_from("\"*^:-+(){}AND OR NOT NEAR/,\\%_'a0é猫"), max_size=20)
)
@example(query='"')
@example(query="content:ahoy")
@example(query="AND")
@example(query="ahoy* OR -x NEAR(a b, 2)")
@example(query="猫%")
@example(query="\ud800\0 a")
def test_no_query_raises(store: Store, conversation: Conversation, query: str) -> None:
    if store.counts().messages == 0:
        say(store, conversation.id, None, "ahoy AND 猫 100% a_b NOT")
    store.search(query)
    store.search(query, conversation_id=conversation.id)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(text=st.text(st.characters(), max_size=200))
def test_any_stored_text_can_be_shown_as_a_hit(store: Store, conversation: Conversation, text: str) -> None:
    stored = say(store, conversation.id, None, f"needle {text}")
    hit = store.search("needle", 1)[0]
    assert stored.id in {hit.message_id for hit in store.search("needle", 100)}
    assert "needle" in highlighted(hit)


def test_every_word_must_be_there_and_the_last_may_be_begun(store: Store, conversation: Conversation) -> None:
    for text in ("the red ship", "the red shirt", "the blue ship"):
        say(store, conversation.id, None, text)
    assert sorted(found(store, "red sh")) == ["the red ship", "the red shirt"]
    assert found(store, "re ship") == []
    assert found(store, "ship blue") == ["the blue ship"]
    assert found(store, "  ") == found(store, "!!!") == []


def test_capitals_and_accents_do_not_count(store: Store, conversation: Conversation) -> None:
    say(store, conversation.id, None, "Der Käse von Zoë")
    assert found(store, "KASE zoe") == ["Der Käse von Zoë"]


def test_operators_are_words(store: Store, conversation: Conversation) -> None:
    say(store, conversation.id, None, "rum AND water")
    say(store, conversation.id, None, "rum, water")
    assert found(store, "rum AND water") == ["rum AND water"]
    assert found(store, "rum NOT water") == []
    assert found(store, 'say "rum') == []


def test_scripts_without_spaces_are_found_anywhere(store: Store, conversation: Conversation) -> None:
    say(store, conversation.id, None, "黒い猫です")
    (hit,) = store.search("猫")
    assert (hit.snippet, highlighted(hit)) == ("黒い猫です", ["猫"])


def test_the_best_hit_comes_first_with_its_words_marked(store: Store, conversation: Conversation) -> None:
    say(store, conversation.id, None, "parrot " + "nothing of interest here " * 30)
    best = say(store, conversation.id, None, "A parrot,\na Parrot!")
    first, second = store.search("parrot")
    assert (first.message_id, first.conversation_id, first.title, first.role) == (
        best.id,
        conversation.id,
        "At sea",
        "user",
    )
    assert first.created_at == best.created_at
    assert first.snippet == "A parrot, a Parrot!"
    assert highlighted(first) == ["parrot", "Parrot"]
    assert len(second.snippet) < 200
    assert second.snippet.endswith("…")


def test_search_can_stay_in_one_conversation_and_out_of_the_trash(
    store: Store, conversation: Conversation, pirate: PersonaVersion
) -> None:
    other = store.create_conversation(pirate.id)
    for place in (conversation, other):
        for text in ("gold", "黄金"):
            say(store, place.id, None, text)
    for query in ("gold", "黄金"):
        assert len(store.search(query)) == 2
        assert [hit.conversation_id for hit in store.search(query, conversation_id=other.id)] == [other.id]
    store.trash(other.id)
    for query in ("gold", "黄金"):
        assert [hit.conversation_id for hit in store.search(query)] == [conversation.id]
        assert store.search(query, conversation_id=other.id) == []


def test_of_a_very_common_word_the_newest_are_ranked(
    store: Store, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RANKED", 3)
    ids = [say(store, conversation.id, None, f"the word {number}").id for number in range(10)]
    assert {hit.message_id for hit in store.search("word")} == set(ids[-3:])
    assert len(store.search("word", 2)) == 2


def test_on_other_databases_text_is_matched_as_it_was_typed() -> None:
    query = substring_query(["50%", "a_b"], 5, 1)
    compiled = query.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert "ILIKE" in str(compiled)
    assert {"50/%", "a/_b"} <= set(compiled.params.values())
