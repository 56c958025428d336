"""What is learned is the answer and its stop token; what cannot be proved is refused."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatt.rows import Row, Turn
from gatt.training.masks import IGNORED, Encoded, Loss, MaskError, encode
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate
from tests.guardrails.families import MARKERS, template, tokenizer

# The families whose templates pass the audit, and Qwen 2, which fails it only where there is no instruction.
SOUND = ("bundled", "llama3", "qwen2", "gemma")

words = st.lists(st.one_of(st.sampled_from(MARKERS), st.text(st.characters(exclude_categories=["Cs"]))), max_size=4)
texts = words.map(" ".join)
answers = texts.filter(lambda text: bool(text.strip()))
exchanges = st.lists(st.tuples(texts, answers), min_size=1, max_size=4)


def dialogue(pairs: list[tuple[str, str]], instruction: str = "Speak as Napoleon.") -> list[Message]:
    messages = [Message("system", instruction)]
    for question, answer in pairs:
        messages += [Message("user", question), Message("assistant", answer)]
    return messages


def of_turns(turns: int) -> list[Message]:
    return dialogue([(f"question {n}", f"answer {n}") for n in range(1, turns + 1)])


def row(turns: int, changed_at: int | None = None) -> Row:
    return Row(
        id="1", messages=tuple(Turn.of(message) for message in of_turns(turns)), families=("figure",), checks=(),
        terse=False, history="original", source="test", turns=turns, changed_at=changed_at,
    )  # fmt: skip


def learned(encoded: Encoded) -> list[int]:
    return [label for label in encoded.labels if label != IGNORED]


@pytest.mark.parametrize("family", SOUND)
@settings(deadline=None, max_examples=30)
@given(pairs=exchanges)
def test_last_turn_learns_the_last_answer_and_its_stop_token_behind_the_prompt_of_inference(
    family: str, pairs: list[tuple[str, str]]
) -> None:
    chat = template(family)
    messages = dialogue(pairs)
    encoded = encode(messages, chat, loss=Loss.LAST_TURN)
    ids = learned(encoded)
    assert chat.decode(ids[:-1]) == pairs[-1][1]
    assert ids[-1] in chat.stop_ids
    assert chat.stop_ids.isdisjoint(ids[:-1])
    prompt = chat.render(messages[:-1], add_generation_prompt=True).ids
    end = len(prompt) + len(ids)
    assert encoded.ids[:end] == prompt + ids
    assert encoded.labels == [IGNORED] * len(prompt) + ids + [IGNORED] * (len(encoded.ids) - end)


@pytest.mark.parametrize("family", SOUND)
@settings(deadline=None, max_examples=15)
@given(pairs=exchanges)
def test_all_turns_learns_every_answer_with_one_stop_token_each(family: str, pairs: list[tuple[str, str]]) -> None:
    chat = template(family)
    ids = learned(encode(dialogue(pairs), chat, loss=Loss.ALL_TURNS))
    told, start = [], 0
    for at, one in enumerate(ids):
        if one in chat.stop_ids:
            told.append(chat.decode(ids[start:at]))
            start = at + 1
    assert told == [answer for _, answer in pairs]
    assert start == len(ids)


@settings(deadline=None, max_examples=30)
@given(turns=st.integers(1, 9), length=st.integers(1, 400))
def test_only_the_oldest_exchanges_are_lost_and_as_few_as_will_do(turns: int, length: int) -> None:
    chat = template("bundled")
    messages = of_turns(turns)

    def size(dropped: int) -> int:
        return len(chat.render([messages[0], *messages[1 + 2 * dropped :]], add_generation_prompt=False).ids)

    if size(turns - 1) > length:
        with pytest.raises(MaskError, match="too long"):
            encode(messages, chat, loss=Loss.LAST_TURN, length=length)
        return
    encoded = encode(messages, chat, loss=Loss.LAST_TURN, length=length)
    assert len(encoded.ids) == size(encoded.dropped_exchanges) <= length
    assert encoded.dropped_exchanges == 0 or size(encoded.dropped_exchanges - 1) > length
    text = chat.decode(encoded.ids)
    assert "Speak as Napoleon." in text
    assert f"question {turns}<" in text
    assert chat.decode(learned(encoded)[:-1]) == f"answer {turns}"


def test_a_row_is_not_parted_from_the_turn_that_changes_its_instruction() -> None:
    chat = template("bundled")
    whole = encode(row(6), chat, loss=Loss.LAST_TURN)
    short = encode(row(6), chat, loss=Loss.LAST_TURN, length=len(whole.ids) - 1)
    assert short.dropped_exchanges == 1
    assert encode(row(6, changed_at=2), chat, loss=Loss.LAST_TURN, length=len(short.ids)).ids == short.ids
    with pytest.raises(MaskError, match="changes the instruction"):
        encode(row(6, changed_at=2), chat, loss=Loss.LAST_TURN, length=len(short.ids) - 1)


def test_a_row_without_an_instruction_is_learned_too() -> None:
    chat = template("bundled")
    encoded = encode([Message("user", "Hello"), Message("assistant", "Hi.")], chat, loss=Loss.LAST_TURN)
    assert chat.decode(learned(encoded)[:-1]) == "Hi."


def changed_template(find: str, replace: str) -> ChatTemplate:
    changed = deepcopy(tokenizer("llama3"))
    assert find in changed.chat_template
    changed.chat_template = changed.chat_template.replace(find, replace)
    return ChatTemplate(changed)


@pytest.mark.parametrize(
    ("find", "replace", "reason"),
    [
        ("+ '<|eot_id|>'", "+ '\n'", "no stop token follows"),
        ("+ '<|eot_id|>'", "+ ' <|eot_id|>'", "no stop token follows"),
        (
            "assistant<|end_header_id|>\\n\\n' }}",
            "assistant<|end_header_id|>\\n\\nSure: ' }}",
            "differs from the prompt",
        ),
    ],
)
def test_a_template_that_would_spoil_the_mask_is_refused(find: str, replace: str, reason: str) -> None:
    with pytest.raises(MaskError, match=reason):
        encode(of_turns(2), changed_template(find, replace), loss=Loss.LAST_TURN)


@pytest.mark.parametrize("family", ["llama2", "mistral"])
def test_stock_templates_that_train_on_another_render_are_refused(family: str) -> None:
    with pytest.raises(MaskError, match="differs from the prompt"):
        encode(of_turns(1), template(family), loss=Loss.LAST_TURN)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (of_turns(1)[:-1], "does not end with an answer"),
        ([], "does not end with an answer"),
        (dialogue([("question", " ")]), "is empty"),
        (dialogue([("question", "\ud800")]), "lone surrogate"),
    ],
)
def test_nothing_is_learned_from_a_row_without_an_answer(messages: list[Message], reason: str) -> None:
    with pytest.raises(MaskError, match=reason):
        encode(messages, template("bundled"), loss=Loss.LAST_TURN)


def test_an_answer_that_decodes_to_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = changed_template("<|end_header_id|>", "<|end_header_id|>")
    monkeypatch.setattr(chat, "decode", lambda ids: "something else")
    with pytest.raises(MaskError, match="do not decode"):
        encode(of_turns(1), chat, loss=Loss.LAST_TURN)
